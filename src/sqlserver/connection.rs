//! One connection, from its greeting to its end, on a thread of its own.

use std::io;
use std::time::Duration;

use super::channel::{Channel, ReadError, status_bits};
use super::login::{self, Login, Origin};
use super::prepared::Statements;
use super::protocol::{MAX_PACKET, Reader, capability, command};
use super::results::{Results, definition, definitions};
use super::text;
use super::tls::Certificates;
use crate::refengine::codes;
use crate::refengine::ffi::Parts;
use crate::refengine::sql::{Entered, Host, HostStatement, Session, SqlError, name_value_rows};

/// connect_timeout: how long the login may take.
const LOGIN_PATIENCE: Duration = Duration::from_secs(10);
/// wait_timeout: how long a client may say nothing.
const IDLE_PATIENCE: Duration = Duration::from_secs(28_800);
/// net_write_timeout: how long a client may leave an answer lying.
const WRITE_PATIENCE: Duration = Duration::from_secs(60);

/// What a connection is served from.
pub struct Service {
    pub parts: Parts,
    /// None: no TLS.
    pub certificates: Option<Certificates>,
}

/// How a session ended.
enum Next {
    Quit,
    /// COM_CHANGE_USER, with what stands behind the command.
    ChangeUser(Vec<u8>),
}

/// Serves a connection until it ends.
pub fn serve(mut channel: Channel, service: &Service, id: u32, origin: &Origin) {
    let end = login_and_work(&mut channel, service, id, origin);
    match end {
        Ok(()) | Err(ReadError::Io) => {}
        Err(ReadError::Refused(error)) => {
            // The client may be gone already.
            let _ = channel.error(&error).and_then(|()| channel.flush());
        }
    }
    channel.stream().shut_down();
}

fn login_and_work(channel: &mut Channel, service: &Service, id: u32, origin: &Origin) -> Result<(), ReadError> {
    let parts = &service.parts;
    channel.stream().set_write_patience(WRITE_PATIENCE)?;
    let enter = |channel: &Channel| {
        let stream = channel.shared_stream();
        parts.processes.enter(id, &origin.place, Box::new(move || stream.shut_down()))
    };
    channel.stream().set_patience(LOGIN_PATIENCE)?;
    let mut entered = enter(channel);
    let mut login = login::login(channel, &parts.engine, service.certificates.as_ref(), id, origin)?;
    loop {
        let capabilities = login.capabilities;
        channel.stream().set_patience(IDLE_PATIENCE)?;
        let Next::ChangeUser(packet) = work(channel, parts, login, entered)? else { return Ok(()) };
        // The session of before is gone, and what it had open is rolled back.
        channel.stream().set_patience(LOGIN_PATIENCE)?;
        entered = enter(channel);
        login = login::change_user(channel, &parts.engine, id, origin, capabilities, &packet)?;
    }
}

/// One user's session.
fn work(channel: &mut Channel, parts: &Parts, login: Login, entered: Entered) -> Result<Next, ReadError> {
    let Login { identity, database, capabilities } = login;
    entered.update(|process| {
        process.user = Some(identity.user.clone());
        process.account = identity.account.clone();
        process.database = database.clone();
    });
    let mut session = Session::listed(parts.engine.clone(), identity, parts.processes.clone(), Some(entered));
    session.set_single_statements(capabilities & capability::MULTI_STATEMENTS == 0);
    if let Some(database) = database {
        session.set_database(&database).map_err(ReadError::Refused)?;
    }
    let mut connection = Connection { channel, session, host: &*parts.host, statements: Statements::default() };
    connection.ok()?;
    loop {
        connection.channel.begin();
        let packet = connection.channel.read(MAX_PACKET)?;
        match packet.split_first() {
            None | Some((&command::QUIT, _)) => return Ok(Next::Quit),
            Some((&command::CHANGE_USER, rest)) => return Ok(Next::ChangeUser(rest.to_vec())),
            Some((&command, rest)) => connection.run(command, rest)?,
        }
    }
}

struct Connection<'a> {
    channel: &'a mut Channel,
    session: Session,
    host: &'a dyn Host,
    statements: Statements,
}

impl Connection<'_> {
    fn run(&mut self, command: u8, rest: &[u8]) -> io::Result<()> {
        match command {
            command::QUERY => self.query(rest),
            command::PING => self.ok(),
            command::INIT_DB => {
                let changed = text::name(rest).and_then(|name| self.session.set_database(name));
                self.ok_or(changed)
            }
            command::FIELD_LIST => self.field_list(rest),
            command::STMT_PREPARE => self.prepare(rest),
            command::STMT_EXECUTE => self.execute(rest),
            // These two have no answer.
            command::STMT_SEND_LONG_DATA => {
                self.statements.piece(rest);
                Ok(())
            }
            command::STMT_CLOSE => {
                Reader(rest).u32().into_iter().for_each(|id| self.statements.close(id));
                Ok(())
            }
            command::STMT_RESET => {
                let reset = self.statements.reset(Reader(rest).u32().unwrap_or_default());
                self.ok_or(reset)
            }
            command::SET_OPTION => match Reader(rest).u16() {
                Some(option @ (0 | 1)) => {
                    self.session.set_single_statements(option == 1);
                    self.channel.eof(0, status_bits(self.session.status()))?;
                    self.channel.flush()
                }
                _ => self.ok_or(Err(unknown_command())),
            },
            command::RESET_CONNECTION => {
                self.session.reset();
                self.statements.clear();
                self.ok()
            }
            command::STATISTICS => {
                // The one answer that is plain text.
                let text = self.statistics();
                self.channel.write(text.as_bytes())?;
                self.channel.flush()
            }
            _ => self.ok_or(Err(unknown_command())),
        }
    }

    fn ok(&mut self) -> io::Result<()> {
        self.channel.ok(0, 0, status_bits(self.session.status()))?;
        self.channel.flush()
    }

    fn ok_or(&mut self, result: Result<(), SqlError>) -> io::Result<()> {
        match result {
            Ok(()) => self.ok(),
            Err(error) => {
                self.channel.error(&error)?;
                self.channel.flush()
            }
        }
    }

    fn query(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut results = Results::new(self.channel, self.session.status(), false).of_text(bytes);
        let result = text::statement(bytes).and_then(|text| self.session.execute(&text, self.host, &mut results));
        results.finish(result)
    }

    fn prepare(&mut self, bytes: &[u8]) -> io::Result<()> {
        let prepared = text::statement(bytes).and_then(|text| {
            let (parameters, columns) = self.session.prepare(&text, self.host)?;
            let count = |n: usize| {
                let text = "Prepared statement contains too many placeholders";
                u16::try_from(n).map_err(|_| SqlError::new(codes::ER_PS_MANY_PARAM, text))
            };
            let counts = (count(columns.len())?, count(parameters)?);
            Ok((self.statements.add(text.into_owned(), parameters)?, counts, columns))
        });
        let (id, (n_columns, n_parameters), columns) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return self.ok_or(Err(error)),
        };
        let status = self.session.status();
        let mut packet = vec![0];
        packet.extend(id.to_le_bytes());
        packet.extend(n_columns.to_le_bytes());
        packet.extend(n_parameters.to_le_bytes());
        packet.extend([0, 0, 0]);
        self.channel.write(&packet)?;
        if n_parameters > 0 {
            let parameter = crate::refengine::sql::ResultColumn::text("?");
            definitions(self.channel, &vec![parameter; usize::from(n_parameters)], status)?;
        }
        if n_columns > 0 {
            definitions(self.channel, &columns, status)?;
        }
        self.channel.flush()
    }

    fn execute(&mut self, packet: &[u8]) -> io::Result<()> {
        let mut results = Results::new(self.channel, self.session.status(), true);
        let result = self
            .statements
            .execution(packet)
            .and_then(|(text, parameters)| self.session.execute_prepared(text, &parameters, self.host, &mut results));
        results.finish(result)
    }

    /// What `mysqladmin status` prints. Statements are not counted here, SHOW STATUS has what is.
    fn statistics(&self) -> String {
        let uptime = name_value_rows(self.host, HostStatement::ShowStatus).ok().and_then(|rows| {
            rows.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("Uptime")).map(|(_, value)| value)
        });
        let threads = self.session.processes().list().len();
        format!(
            "Uptime: {}  Threads: {threads}  Questions: 0  Slow queries: 0  Opens: 0  Flush tables: 0  Open tables: 0  \
             Queries per second avg: 0",
            uptime.unwrap_or_else(|| "0".to_owned())
        )
    }

    /// The old way to ask for a table's columns; its pattern is left to the client, as MySQL 8 does.
    fn field_list(&mut self, rest: &[u8]) -> io::Result<()> {
        let name = Reader(rest).until_nul().unwrap_or(rest);
        match text::name(name).and_then(|name| self.session.table_columns(name)) {
            Ok(columns) => {
                for column in columns {
                    let mut packet = definition(&column);
                    // A default value follows, NULL here.
                    packet.push(0xfb);
                    self.channel.write(&packet)?;
                }
                self.channel.eof(0, status_bits(self.session.status()))?;
                self.channel.flush()
            }
            Err(error) => self.ok_or(Err(error)),
        }
    }
}

fn unknown_command() -> SqlError {
    SqlError::new(codes::ER_UNKNOWN_COM_ERROR, "Unknown command")
}
