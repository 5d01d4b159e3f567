//! Operations that concern no item.

use super::Executor;
use crate::protocol::reply::Out;
use crate::protocol::{Denial, Fault, Operation, Outcome, Request};
use crate::rows::Rows;
use crate::server::report::Report;
use crate::server::scope::Scope;
use crate::server::shared::VERSION;
use crate::server::stats::Counter;
use crate::server::tls::Tls;
use std::borrow::Cow;

impl<R: Rows> Executor<'_, R> {
    #[cold]
    pub(super) fn daemon(&mut self, request: &Request<'_>, out: &mut Out) {
        let has_logins = self.shared.logins.is_some();
        let outcome = match request.operation {
            Operation::Stats { args } => self.stats(request, args, out),
            Operation::Bind { name } => self.bind(name),
            Operation::MemoryLimit { megabytes } => {
                self.shared.limit_memory((megabytes as usize) << 20);
                Outcome::Done
            }
            Operation::RefreshCertificates => match self.shared.tls.as_ref().map(Tls::reload) {
                // Where nothing speaks TLS the command is unknown, as in memcached.
                None => Outcome::Unknown,
                Some(Ok(())) => Outcome::Done,
                Some(Err(error)) => {
                    return request.answer(&Outcome::Failed(&Fault::Server(error.to_string().into())), out);
                }
            },
            Operation::Version => Outcome::Text(VERSION),
            Operation::Mechanisms if has_logins => Outcome::Text("PLAIN"),
            Operation::Login { mechanism, data, step } if has_logins => self.converse(mechanism, data, step),
            Operation::Tune { line } => {
                self.shared.complain(|| {
                    format!(
                        "DM1405: \"{}\" was answered, but there is nothing here that it could steer",
                        line.escape_ascii()
                    )
                });
                Outcome::Done
            }
            // Whether there is room its worker tells.
            Operation::Watch { .. } => return,
            Operation::Mechanisms | Operation::Login { .. } => Outcome::Unknown,
            // What is refused, a noop and a goodbye; the others are run elsewhere.
            _ => Outcome::Done,
        };
        request.answer(&outcome, out);
    }

    fn stats(&mut self, request: &Request<'_>, args: &[u8], out: &mut Out) -> Outcome<'static> {
        let mut tell = |name: &str, value: &str| request.answer(&Outcome::Statistic(name, value), out);
        let asker = self.conn.map(|conn| conn.fd());
        match self.shared.report(args, self.config, asker, &mut tell) {
            Report::Told => Outcome::End,
            Report::Reset => Outcome::Reset,
            Report::Switched => Outcome::Done,
            Report::Detail(lines) => {
                request.answer(&Outcome::Lines(&lines), out);
                Outcome::End
            }
            Report::DetailUsage => Outcome::DetailUsage,
            Report::Denied(text) => Outcome::Denied(Denial::Disabled(text)),
            Report::Unknown => Outcome::Unknown,
        }
    }

    fn bind(&mut self, name: &[u8]) -> Outcome<'static> {
        static OFF: Fault =
            Fault::Client(Cow::Borrowed("bind is off here: connections of this listener keep their container"));
        match self.config.find(name) {
            _ if self.scope != Scope::Switching => Outcome::Failed(&OFF),
            Some(id) => {
                self.container = id;
                Outcome::Done
            }
            None => Outcome::NotFound,
        }
    }

    /// Answers what is not yet, or cannot be, a login: credentials never come here, see [`crate::server::admission::entry`].
    fn converse(&mut self, mechanism: &[u8], data: &[u8], step: bool) -> Outcome<'static> {
        if !step && mechanism.eq_ignore_ascii_case(b"PLAIN") && data.is_empty() {
            return Outcome::Continue;
        }
        self.stats.one(Counter::AuthCmds);
        self.stats.one(Counter::AuthErrors);
        Outcome::Denied(Denial::Login)
    }
}
