//! Bars as SVG.

use std::fmt::Write;

/// Bars of one workload, one for each name of the chart; `None`: it has none.
pub struct Group {
    /// What stands beside them.
    pub label: String,
    /// In the order of the names.
    pub bars: Vec<Option<f64>>,
}

/// How the bars are drawn.
pub struct Style {
    /// Above the chart.
    pub title: String,
    /// Pixels for 1; `None`: as long as the longest bar allows.
    pub scale: Option<f64>,
}

const COLOURS: [&str; 7] = ["#8a8a8a", "#1f6f8b", "#4fb0c6", "#c1666b", "#e4b363", "#7a9e4b", "#8a6fae"];

/// Pixels of the longest bar. What would be longer is cut; the number says how long it is.
const LONGEST: f64 = 560.0;

/// The chart of all groups.
pub fn draw(style: &Style, names: &[&str], groups: &[Group]) -> String {
    let longest = groups.iter().flat_map(|group| group.bars.iter().flatten()).copied().fold(0.0, f64::max);
    let scale = style.scale.unwrap_or(LONGEST / if longest > 0.0 { longest } else { 1.0 });
    let (bar, left) = (9, 130);
    let group_height = bar * names.len() + 10;
    let height = 50 + group_height * groups.len();
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"760\" height=\"{height}\" font-family=\"sans-serif\" \
         font-size=\"11\">\n<rect width=\"760\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"8\" y=\"16\" font-size=\"13\">{}</text>\n",
        escaped(&style.title)
    );
    let bars = || names.iter().zip(COLOURS.iter().cycle()).enumerate();
    for (at, (name, fill)) in bars() {
        let x = 8 + at * 120;
        let _ = writeln!(text, "<rect x=\"{x}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{fill}\"/>");
        let _ = writeln!(text, "<text x=\"{}\" y=\"33\">{}</text>", x + 14, escaped(name));
    }
    for (number, group) in groups.iter().enumerate() {
        let top = 46 + number * group_height;
        let _ = writeln!(text, "<text x=\"8\" y=\"{}\">{}</text>", top + group_height / 2, escaped(&group.label));
        for (at, (_, fill)) in bars() {
            let Some(Some(value)) = group.bars.get(at) else { continue };
            let (y, width) = (top + at * bar, (value * scale).min(LONGEST));
            let _ = writeln!(
                text,
                "<rect x=\"{left}\" y=\"{y}\" width=\"{width:.0}\" height=\"{}\" fill=\"{fill}\"/>",
                bar - 1
            );
            let x = f64::from(left) + width + 4.0;
            let shown = if *value < 100.0 { format!("{value:.2}") } else { format!("{value:.0}") };
            let _ = writeln!(text, "<text x=\"{x:.0}\" y=\"{}\" font-size=\"9\">{shown}</text>", y + bar - 1);
        }
    }
    text.push_str("</svg>\n");
    text
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
