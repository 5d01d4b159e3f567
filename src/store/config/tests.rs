//! Ids and their names. How the tables are read is tested through the daemon.

use super::*;

fn empty() -> Config {
    Config {
        slots: Vec::new(),
        names: HashMap::new(),
        default: ContainerId::DEFAULT,
        readings: 0,
        separator: b"|".to_vec(),
        delimiter: b".".to_vec(),
        policies: Policies::default(),
        rules: Rules { trx_level: 0, skip_invalid: false, replicated: false },
    }
}

/// Gives the names rows, with as many containers that refuse, and takes away those of all others.
fn reading(config: &mut Config, names: &[String]) {
    config.readings += 1;
    for slot in config.slots.iter_mut().filter(|slot| slot.container.is_some()) {
        if !names.iter().any(|name| name.as_bytes() == slot.name) {
            (slot.container, slot.gone_since) = (None, config.readings);
        }
    }
    for name in names {
        let at = config.slot(name.as_bytes());
        config.slots[at].container = Some(Arc::new(Container::refusing(name, at)));
    }
}

#[test]
fn a_name_keeps_its_id_while_its_row_is_gone() {
    let (mut config, names) = (empty(), |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>());
    reading(&mut config, &names("a b"));
    let (a, b) = (config.find(b"a").unwrap(), config.find(b"b").unwrap());
    reading(&mut config, &names("a c"));
    assert_eq!((config.find(b"b"), config.container(b).is_some()), (None, false));
    assert_eq!(config.resolve(a, b"@@b.k"), Target::Unknown(b"b"));
    reading(&mut config, &names("a b c"));
    assert_eq!((config.find(b"a"), config.find(b"b")), (Some(a), Some(b)));
    assert_eq!(config.container(b).unwrap().name, "b");
}

#[test]
fn ids_do_not_leak_and_none_leads_to_another_name() {
    let mut config = empty();
    let mut seen = Vec::new();
    for round in 0..10 * GONE_MAX {
        let name = format!("n{round}");
        reading(&mut config, std::slice::from_ref(&name));
        seen.push((config.find(name.as_bytes()).unwrap(), name));
    }
    assert!(config.slots.len() <= GONE_MAX + 3, "{} slots", config.slots.len());
    assert_eq!(config.slots.len(), config.names.len());
    let (last, before) = seen.split_last().unwrap();
    assert_eq!(config.container(last.0).unwrap().name, last.1);
    assert!(before.iter().all(|(id, _)| config.container(*id).is_none()));
    // The last names that went get their ids back, those that went before them new ones.
    let recent = &seen[seen.len() - GONE_MAX / 2..];
    reading(&mut config, &recent.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>());
    assert!(recent.iter().all(|(id, name)| config.find(name.as_bytes()) == Some(*id)));
    reading(&mut config, std::slice::from_ref(&seen[0].1));
    assert_ne!(config.find(b"n0"), Some(seen[0].0));
}
