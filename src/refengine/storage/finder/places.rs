//! Sorted keys in few of the processor's cache lines, and which of them is the first that is not below another key.

use crate::refengine::storage::head::head;
use std::cmp::Ordering;

/// Keys that stand side by side in a level: two cache lines.
const WIDE: usize = 16;

/// See the module. The keys are in ascending order, none twice.
pub(super) struct Places {
    len: usize,
    /// What all keys begin with.
    common: Box<[u8]>,
    /// The eight bytes behind that, as numbers that are in order as the keys are: every key in the last level, the last of each [`WIDE`] of
    /// a level in the one before it. The first is one node.
    levels: Vec<Box<[Node]>>,
    keys: Keys,
}

/// What is not taken by keys is above all of them.
#[repr(align(64))]
struct Node([u64; WIDE]);

/// Tells keys apart whose eight bytes are the same.
enum Keys {
    /// All are this long, and there is nothing behind the eight bytes.
    Long(usize),
    /// The keys, one behind the other, and where each of them ends.
    Kept { bytes: Box<[u8]>, ends: Box<[u32]> },
}

impl Keys {
    fn kept(keys: &[&[u8]]) -> Option<Keys> {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for key in keys {
            bytes.extend_from_slice(key);
            ends.push(u32::try_from(bytes.len()).ok()?);
        }
        Some(Keys::Kept { bytes: bytes.into(), ends: ends.into() })
    }
}

impl Places {
    /// `None`: they are more bytes than 32 bits can count.
    pub(super) fn new(keys: &[&[u8]]) -> Option<Places> {
        let (first, last) = (keys.first().copied().unwrap_or_default(), keys.last().copied().unwrap_or_default());
        let common = first.iter().zip(last).take_while(|(a, b)| a == b).count();
        let mut levels = vec![nodes(keys.iter().map(|key| head(key.get(common..).unwrap_or_default())))];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            // The last node's free places are above all keys, as the node's end must be for who looks for one behind them.
            let above = nodes(below.iter().map(|Node(heads)| heads[WIDE - 1]));
            levels.push(above);
        }
        levels.reverse();
        let told = first.len() <= common + 8 && keys.iter().all(|key| key.len() == first.len());
        let kept = if told { Keys::Long(first.len()) } else { Keys::kept(keys)? };
        Some(Places { len: keys.len(), common: first.get(..common).unwrap_or_default().into(), levels, keys: kept })
    }

    /// The number of the first key that is not below `key`; that of all keys if there is none. `near` is told a number that is at most
    /// [`WIDE`] below that of most keys, before the memory behind it is waited for.
    #[inline]
    pub(super) fn find(&self, key: &[u8], near: impl Fn(usize)) -> usize {
        match key.get(..self.common.len().min(key.len())).unwrap_or_default().cmp(&self.common) {
            Ordering::Less => 0,
            Ordering::Greater => self.len,
            Ordering::Equal => self.find_by_head(key, near),
        }
    }

    #[inline]
    fn find_by_head(&self, key: &[u8], near: impl Fn(usize)) -> usize {
        let head = head(key.get(self.common.len()..).unwrap_or_default());
        let at = self.first_from(head, near);
        if self.head(at) != Some(head) {
            return at;
        }
        match &self.keys {
            Keys::Long(len) => at + usize::from(key.len() > *len),
            Keys::Kept { .. } => {
                let mut at = at;
                let mut behind = head.checked_add(1).map_or(self.len, |next| self.first_from(next, |_| {}));
                while at < behind {
                    let middle = at.midpoint(behind);
                    match self.kept(middle) < key {
                        true => at = middle + 1,
                        false => behind = middle,
                    }
                }
                at
            }
        }
    }

    /// The first key whose eight bytes are not below `head`.
    #[inline]
    fn first_from(&self, head: u64, near: impl Fn(usize)) -> usize {
        let mut at = 0;
        for level in &self.levels {
            let Some(Node(heads)) = level.get(at) else { return self.len };
            at *= WIDE;
            near(at);
            at += first_in(heads, head);
        }
        at.min(self.len)
    }

    fn head(&self, at: usize) -> Option<u64> {
        let Node(heads) = self.levels.last()?.get(at / WIDE)?;
        heads.get(at % WIDE).copied().filter(|_| at < self.len)
    }

    fn kept(&self, at: usize) -> &[u8] {
        let Keys::Kept { bytes, ends } = &self.keys else { return &[] };
        let start = at.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |end| *end as usize);
        let end = ends.get(at).map_or(start, |end| *end as usize);
        bytes.get(start..end).unwrap_or_default()
    }

    /// Bytes of memory.
    pub(super) fn resident(&self) -> usize {
        let keys = match &self.keys {
            Keys::Long(_) => 0,
            Keys::Kept { bytes, ends } => bytes.len() + ends.len() * 4,
        };
        keys + self.levels.iter().map(|level| size_of_val(&**level)).sum::<usize>()
    }
}

/// How many of a node's are below `head`. Without a branch, as nobody could foretell it; the second line is not waited for behind the first.
#[inline]
fn first_in(heads: &[u64; WIDE], head: u64) -> usize {
    let last = usize::from(heads[WIDE - 1] < head);
    let mut at = 0;
    for step in [8, 4, 2, 1] {
        at += step * usize::from(heads[(at + step - 1) % WIDE] < head);
    }
    at + last
}

fn nodes(mut heads: impl Iterator<Item = u64>) -> Box<[Node]> {
    let mut nodes = Vec::new();
    while let Some(first) = heads.next() {
        let mut node = [u64::MAX; WIDE];
        node.iter_mut()
            .zip(std::iter::once(first).chain(heads.by_ref().take(WIDE - 1)))
            .for_each(|(to, head)| *to = head);
        nodes.push(Node(node));
    }
    nodes.into()
}
