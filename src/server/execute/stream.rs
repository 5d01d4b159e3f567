//! Answers that stream rows for many ticks: ranges and key dumps. Each tick sends a segment from a view of its own and goes on behind
//! the last key.

use super::read::value;
use super::{Executor, Stop};
use crate::protocol::operation::{DumpFormat, Get};
use crate::protocol::reply::{self, Out};
use crate::protocol::{Denial, Fault, Outcome, Request};
use crate::rows::Rows;
use crate::server::outcome::{Abort, Progress, Resume};
use crate::server::stats::Counter;
use crate::store::{Container, KeyRange, Policy, RangeProgress, Target};
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
    /// Whether any key can be told.
    encodes_keys: bool,
}

/// Answers a stream that is none.
fn refuse(request: &Request<'_>, text: &'static str, out: &mut Out) -> Progress {
    request.answer(&Outcome::Failed(&Fault::Client(text.into())), out);
    Progress::Broken
}

impl<R: Rows> Executor<'_, R> {
    /// One segment of `get @>k`, perhaps with a limit behind it.
    pub(super) fn range(
        &mut self,
        request: &Request<'_>,
        get: &Get<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<Progress, Abort> {
        let mut words = get.keys.iter();
        let text = words.next().unwrap_or_default();
        let limit = match (words.next(), words.next()) {
            (None, _) => Some(u64::MAX),
            (Some(word), None) => std::str::from_utf8(word).ok().and_then(|word| word.parse().ok()),
            _ => None,
        };
        let Target::Key(id, text) = self.scope.resolve(self.config, &mut self.container, text) else {
            return Ok(refuse(request, "no such container", out));
        };
        let (Some(limit), Ok(range)) = (limit, KeyRange::parse(text)) else {
            let usage = "a range is @>k, @>=k, @<k, @<=k or two of them, e.g. get @>=a@<b, with a limit behind it";
            return Ok(refuse(request, usage, out));
        };
        let Some(container) = self.config.container(id) else {
            return Ok(refuse(request, "no such container", out));
        };
        let stream = Stream { range, with_cas: get.with_cas, limit, encodes_keys: false };
        let (progress, sent) = self.stream(request, container, &stream, resume, out)?;
        if progress == Progress::Done {
            self.stats.one(Counter::CmdGet);
            self.stats.one(if sent > 0 { Counter::GetHits } else { Counter::GetMisses });
        }
        Ok(progress)
    }

    /// One segment of a key dump.
    pub(super) fn key_dump(
        &mut self,
        request: &Request<'_>,
        format: DumpFormat,
        limit: u64,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<Progress, Abort> {
        if self.shared.options.dump_disabled {
            let text = match format {
                DumpFormat::Items => "stats cachedump not allowed",
                DumpFormat::Meta => "metadump not allowed",
                DumpFormat::MetaGet => "key dump not allowed",
            };
            request.answer(&Outcome::Denied(Denial::Disabled(text)), out);
            return Ok(Progress::Done);
        }
        let Some(container) = self.config.container(self.container) else {
            return Ok(refuse(request, "no such container", out));
        };
        if container.policies().get == Policy::CacheOnly {
            // A client may wait for the end, whatever else it is answered.
            self.shared.complain(|| {
                format!("DM1408: container {}: its items are in memory only and have no order to dump", container.name)
            });
            request.answer(&Outcome::Begin, out);
            request.answer(&Outcome::End, out);
            return Ok(Progress::Done);
        }
        if *resume == Resume::Start {
            request.answer(&Outcome::Begin, out);
        }
        let stream = Stream {
            range: KeyRange::ALL,
            with_cas: format == DumpFormat::Meta,
            limit,
            encodes_keys: format != DumpFormat::Items,
        };
        let (progress, _) = self.stream(request, container, &stream, resume, out)?;
        Ok(progress)
    }

    /// Writes the next segment; tells how many items were written since the beginning.
    fn stream(
        &mut self,
        request: &Request<'_>,
        container: &Container,
        stream: &Stream<'_>,
        resume: &Resume,
        out: &mut Out,
    ) -> Result<(Progress, u64), Abort> {
        let (after, mut sent) = match resume {
            Resume::Range(after, sent) => (Some(after.as_slice()), *sent),
            _ => (None, 0),
        };
        if sent >= stream.limit {
            request.answer(&Outcome::End, out);
            return Ok((Progress::Done, sent));
        }
        let budget = out.len() + SEGMENT_BYTES;
        let mut unprintable = 0;
        let result = self.store.range(container, stream.range, after, SEGMENT_ROWS, stream.with_cas, |key, item| {
            if !stream.encodes_keys && !reply::is_printable(key) {
                unprintable += 1;
                return ControlFlow::Continue(());
            }
            request.answer(&Outcome::Value(value(key, &item, None)), out);
            sent += 1;
            match sent >= stream.limit || out.len() >= budget {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        self.stats.add(Counter::UnprintableKeys, unprintable);
        match result {
            Ok(RangeProgress::Stopped(key)) if sent < stream.limit => {
                return Ok((Progress::Part(Resume::Range(key, sent)), sent));
            }
            Ok(_) => request.answer(&Outcome::End, out),
            // In the middle of a stream this stands instead of its end.
            Err(failure) => match self.stop(container, failure) {
                Stop::Abort(abort) => return Err(abort),
                Stop::Fault(fault) => request.answer(&Outcome::Failed(&fault), out),
            },
        }
        Ok((Progress::Done, sent))
    }
}
