//! Items by class: where memcached has classes of sizes, there is one of the memory store here and one of the tables.

use crate::cache::Stats;
use crate::rows::TableSize;
use crate::server::shared::Shared;
use crate::server::stats::Counter;
use std::time::Duration;

/// How long a `stats` waits for the sizes of tables: less than it takes to sync a disk.
const PATIENCE: Duration = Duration::from_millis(20);

/// Bytes of a page of memcached, in which `stats slabs` counts.
const PAGE: u64 = 1 << 20;

/// Operations that `stats slabs` tells of, by memcached's names.
const OPERATIONS: [(&str, Counter); 8] = [
    ("get_hits", Counter::GetHits),
    ("cmd_set", Counter::CmdSet),
    ("delete_hits", Counter::DeleteHits),
    ("incr_hits", Counter::IncrHits),
    ("decr_hits", Counter::DecrHits),
    ("cas_hits", Counter::CasHits),
    ("cas_badval", Counter::CasBadval),
    ("touch_hits", Counter::TouchHits),
];

/// A class of items.
struct Class {
    number: u32,
    size: TableSize,
    /// What a store that is full or finds expired items did there.
    evicted: u64,
    outofmemory: u64,
    reclaimed: u64,
    swept: u64,
}

impl Shared {
    /// Finds out how large the tables are, unless somebody did a moment ago, and waits a little for it.
    pub(in crate::server) fn measure(&self) {
        if self.sizes.ask() {
            self.mapping.measure(PATIENCE);
        }
    }

    /// Items and bytes in the tables when they were last measured, and in the memory store, which these are the totals of, where a
    /// container uses nothing else.
    pub(in crate::server) fn items(&self, memory: &Stats) -> (TableSize, TableSize) {
        let memory = match self.mapping.newest().keeps_items_in_memory() {
            true => TableSize { rows: memory.items, bytes: memory.bytes },
            false => TableSize::default(),
        };
        (self.sizes.found(), memory)
    }

    fn classes(&self) -> Vec<Class> {
        let stats = self.memory.stats();
        let (tables, memory) = self.items(&stats);
        let memory = Class {
            number: 2,
            size: memory,
            evicted: stats.evictions,
            outofmemory: self.total(Counter::StoreNoMemory),
            reclaimed: stats.reclaimed,
            swept: 0,
        };
        let tables = Class {
            number: 1,
            size: tables,
            evicted: 0,
            outofmemory: 0,
            reclaimed: self.total(Counter::Reclaimed),
            swept: self.total(Counter::CrawlerReclaimed),
        };
        [tables, memory].into_iter().filter(|class| class.size.rows > 0).collect()
    }

    pub(super) fn items_by_class(&self, tell: &mut dyn FnMut(&str, &str)) {
        for class in self.classes() {
            for (name, value) in [
                ("number", class.size.rows),
                ("age", 0),
                ("mem_requested", class.size.bytes),
                ("evicted", class.evicted),
                ("evicted_nonzero", 0),
                ("evicted_time", 0),
                ("outofmemory", class.outofmemory),
                ("tailrepairs", 0),
                ("reclaimed", class.reclaimed),
                ("expired_unfetched", 0),
                ("evicted_unfetched", 0),
                ("crawler_reclaimed", class.swept),
            ] {
                tell(&format!("items:{}:{name}", class.number), itoa::Buffer::new().format(value));
            }
        }
    }

    /// A chunk is an item of the mean size, and all of them are in use. Operations are counted for all classes together.
    pub(super) fn slabs(&self, tell: &mut dyn FnMut(&str, &str)) {
        let classes = self.classes();
        for (at, Class { number, size, .. }) in classes.iter().enumerate() {
            let mut line =
                |name: &str, value: u64| tell(&format!("{number}:{name}"), itoa::Buffer::new().format(value));
            let chunk = size.bytes.div_ceil(size.rows).max(1);
            line("chunk_size", chunk);
            line("chunks_per_page", (PAGE / chunk).max(1));
            line("total_pages", size.bytes.div_ceil(PAGE).max(1));
            line("total_chunks", size.rows);
            line("used_chunks", size.rows);
            line("free_chunks", 0);
            line("free_chunks_end", 0);
            line("mem_requested", size.bytes);
            for (name, counter) in OPERATIONS {
                line(name, if at == 0 { self.total(counter) } else { 0 });
            }
        }
        tell("active_slabs", itoa::Buffer::new().format(classes.len()));
        let bytes: u64 = classes.iter().map(|class| class.size.bytes).sum();
        tell("total_malloced", itoa::Buffer::new().format(bytes));
    }
}
