//! Attempts that wait for the login thread. The addresses that they come from take turns, and none has more than a few waiting: whoever
//! floods the daemon with wrong passwords waits behind himself, and the others wait for one attempt of his each time.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Attempts that wait, of all addresses and of one.
const QUEUE_MAX: usize = 1024;
const PER_ORIGIN_MAX: usize = 16;

/// Where attempts come from, as far as they count as one's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A UNIX socket.
    Local,
    /// An address or, of IPv6, the network of 64 bits that one subscriber has.
    Network(u64),
}

impl Origin {
    /// Of a client at this address; `None` for a UNIX socket.
    pub fn of(address: Option<SocketAddr>) -> Origin {
        let Some(address) = address else { return Origin::Local };
        match address.ip().to_canonical() {
            // No network of IPv6 is as small as an address of IPv4.
            IpAddr::V4(ip) => Origin::Network(u32::from(ip).into()),
            IpAddr::V6(ip) => Origin::Network((u128::from(ip) >> 64) as u64),
        }
    }
}

/// An attempt on its way to the login thread.
pub struct Question {
    /// Whose connection it is.
    pub worker: usize,
    /// The connection that asked.
    pub conn: usize,
    /// Shared with the connection as long as that waits.
    pub ticket: Arc<()>,
    /// The name.
    pub name: Vec<u8>,
    /// The password.
    pub password: Vec<u8>,
}

impl Question {
    /// Whether its connection is closed: it holds the other half of the ticket.
    pub fn abandoned(&self) -> bool {
        Arc::strong_count(&self.ticket) == 1
    }
}

/// What waits, by origin; the first of the list has its turn.
#[derive(Default)]
pub struct Queue {
    turns: VecDeque<(Origin, VecDeque<Question>)>,
    length: usize,
}

impl Queue {
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends an attempt; `false` if too many wait already.
    pub fn push(&mut self, origin: Origin, question: Question) -> bool {
        if self.length >= QUEUE_MAX || self.waiting(origin) >= PER_ORIGIN_MAX {
            self.forget_abandoned();
        }
        if self.length >= QUEUE_MAX || self.waiting(origin) >= PER_ORIGIN_MAX {
            return false;
        }
        self.length += 1;
        match self.turns.iter_mut().find(|(other, _)| *other == origin) {
            Some((_, questions)) => questions.push_back(question),
            None => self.turns.push_back((origin, VecDeque::from([question]))),
        }
        true
    }

    /// Takes the next attempt; its origin has its next turn behind all others.
    pub fn pop(&mut self) -> Option<Question> {
        let (origin, mut questions) = self.turns.pop_front()?;
        let question = questions.pop_front();
        if !questions.is_empty() {
            self.turns.push_back((origin, questions));
        }
        self.length -= usize::from(question.is_some());
        question
    }

    fn waiting(&self, origin: Origin) -> usize {
        self.turns.iter().find(|(other, _)| *other == origin).map_or(0, |(_, questions)| questions.len())
    }

    /// Whoever left meanwhile takes no place.
    fn forget_abandoned(&mut self) {
        self.turns.retain_mut(|(_, questions)| {
            questions.retain(|question| !question.abandoned());
            !questions.is_empty()
        });
        self.length = self.turns.iter().map(|(_, questions)| questions.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A question, whose connection lives as long as `tickets`.
    fn question(conn: usize, tickets: &mut Vec<Arc<()>>) -> Question {
        let ticket = Arc::new(());
        tickets.push(Arc::clone(&ticket));
        Question { worker: 0, conn, ticket, name: Vec::new(), password: Vec::new() }
    }

    #[test]
    fn origins_take_turns_and_none_has_more_than_its_share() {
        let (mut queue, mut open) = (Queue::default(), Vec::new());
        let of = |address: &str| Origin::of(Some(address.parse().unwrap()));
        let flood = of("10.0.0.1:1");
        assert_eq!(of("10.0.0.1:2"), flood);
        assert_eq!(of("[::ffff:10.0.0.1]:3"), flood);
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:2]:1"));
        assert_ne!(of("[2001:db8:0:1::1]:1"), of("[2001:db8::1]:1"));
        for conn in 0..20 {
            assert_eq!(queue.push(flood, question(conn, &mut open)), conn < PER_ORIGIN_MAX, "{conn}");
        }
        assert!(queue.push(of("10.0.0.2:1"), question(100, &mut open)));
        assert!(queue.push(Origin::Local, question(200, &mut open)));
        let order: Vec<usize> = std::iter::from_fn(|| queue.pop().map(|question| question.conn)).take(5).collect();
        assert_eq!(order, [0, 100, 200, 1, 2]);
        // Those who left make room.
        open.clear();
        for conn in 0..PER_ORIGIN_MAX {
            assert!(queue.push(flood, question(conn, &mut open)), "{conn}");
        }
        assert!(!queue.push(flood, question(99, &mut open)));
    }
}
