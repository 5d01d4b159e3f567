//! Answers that stream rows for many ticks: ranges and key dumps. Each tick sends a segment from a view of its own and goes on behind
//! the last key.

use super::Executor;
use crate::protocol::reply::Out;
use crate::protocol::{DumpFormat, Keys, reply};
use crate::rows::Rows;
use crate::server::outcome::{Abort, Progress, Resume};
use crate::server::stats::Counter;
use crate::store::{Container, Item, KeyRange, Policy, RangeProgress};
use std::ops::ControlFlow;

/// Rows and bytes that one tick answers.
const SEGMENT_ROWS: usize = 1000;
const SEGMENT_BYTES: usize = 256 << 10;

/// What to stream.
struct Stream<'k> {
    range: KeyRange<'k>,
    with_cas: bool,
    /// Items at most.
    limit: u64,
    /// Stands behind the last one.
    end: &'static [u8],
}

impl<R: Rows> Executor<'_, R> {
    /// One segment of `get @>k`, perhaps with a limit behind it.
    pub(super) fn range(
        &mut self,
        keys: Keys<'_>,
        with_cas: bool,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<Progress, Abort> {
        let mut words = keys.iter();
        let text = words.next().unwrap_or_default();
        let limit = match (words.next(), words.next()) {
            (None, _) => Some(u64::MAX),
            (Some(word), None) => std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()),
            _ => None,
        };
        let (Some(limit), Ok(range)) = (limit, KeyRange::parse(text)) else {
            reply::client_error(
                out,
                "a range is @>k, @>=k, @<k, @<=k or two of them, e.g. get @>=a@<b, with a limit behind it",
            );
            return Ok(Progress::Done);
        };
        let Some(container) = self.config.container(self.container) else {
            reply::client_error(out, "no such container");
            return Ok(Progress::Done);
        };
        let stream = Stream { range, with_cas, limit, end: reply::END };
        let (progress, sent) = self.stream(container, &stream, resume, out, |key, item, out| {
            reply::value(out, key, item.flags, with_cas.then_some(item.cas), item.value);
        })?;
        if progress == Progress::Done {
            self.stats.one(Counter::CmdGet);
            self.stats.one(if sent > 0 { Counter::GetHits } else { Counter::GetMisses });
        }
        Ok(progress)
    }

    /// One segment of a key dump.
    pub(super) fn key_dump(
        &mut self,
        format: DumpFormat,
        limit: u64,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<Progress, Abort> {
        let Some(container) = self.config.container(self.container) else {
            reply::client_error(out, "no such container");
            return Ok(Progress::Done);
        };
        if container.policies().get == Policy::CacheOnly {
            reply::client_error(
                out,
                "the items of this container are in memory only, where they have no order to dump",
            );
            return Ok(Progress::Done);
        }
        if format != DumpFormat::Items && *resume == Resume::Start {
            out.extend_from_slice(reply::OK);
        }
        let end = if format == DumpFormat::MetaGet { b"EN\r\n".as_slice() } else { reply::END };
        let stream = Stream { range: KeyRange::ALL, with_cas: format == DumpFormat::Meta, limit, end };
        let (progress, _) = self.stream(container, &stream, resume, out, |key, item, out| {
            reply::dumped_key(out, format, key, (item.flags, item.cas, item.deadline, item.value.len()));
        })?;
        Ok(progress)
    }

    /// Writes the next segment; tells how many items were written since the beginning.
    fn stream(
        &mut self,
        container: &Container,
        stream: &Stream<'_>,
        resume: &Resume,
        out: &mut Out,
        mut write: impl FnMut(&[u8], Item<'_>, &mut Out),
    ) -> Result<(Progress, u64), Abort> {
        let (after, mut sent) = match resume {
            Resume::Range(after, sent) => (Some(after.as_slice()), *sent),
            _ => (None, 0),
        };
        if sent >= stream.limit {
            out.extend_from_slice(stream.end);
            return Ok((Progress::Done, sent));
        }
        let budget = out.len() + SEGMENT_BYTES;
        let result = self.store.range(container, stream.range, after, SEGMENT_ROWS, stream.with_cas, |key, item| {
            write(key, item, out);
            sent += 1;
            match sent >= stream.limit || out.len() >= budget {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        match result {
            Ok(RangeProgress::Stopped(key)) if sent < stream.limit => {
                return Ok((Progress::Part(Resume::Range(key, sent)), sent));
            }
            Ok(_) => out.extend_from_slice(stream.end),
            // In the middle of a stream this line stands instead of its end.
            Err(failure) => self.refusal(container, failure)?.write_text(out),
        }
        Ok((Progress::Done, sent))
    }
}
