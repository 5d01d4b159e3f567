//! The grammar of accounts: their names and passwords, GRANT and REVOKE.

use sqlparser::tokenizer::Token;

use super::ast::{Account, Grant, Statement};
use super::error::SqlError;
use super::parse::{Front, Parsed, Refusal};
use super::password::{NATIVE, Password, SHA2};
use crate::refengine::codes;

/// What GRANT and REVOKE take besides ALL.
pub(super) const PRIVILEGES: &[&str] = &[
    "ALTER",
    "ALTER ROUTINE",
    "CREATE",
    "CREATE ROUTINE",
    "CREATE TABLESPACE",
    "CREATE TEMPORARY TABLES",
    "CREATE USER",
    "CREATE VIEW",
    "DELETE",
    "DROP",
    "EVENT",
    "EXECUTE",
    "FILE",
    "GRANT OPTION",
    "INDEX",
    "INSERT",
    "LOCK TABLES",
    "PROCESS",
    "REFERENCES",
    "RELOAD",
    "REPLICATION CLIENT",
    "REPLICATION SLAVE",
    "SELECT",
    "SHOW DATABASES",
    "SHOW VIEW",
    "SHUTDOWN",
    "SUPER",
    "TRIGGER",
    "UPDATE",
    "USAGE",
];

impl Front<'_> {
    /// `IDENTIFIED [WITH method] BY 'password'`, or AS and what SHOW CREATE USER shows of it. Every account may use both methods,
    /// so the method only says what form the latter has.
    pub(super) fn identified(&mut self) -> Parsed<Option<Option<Password>>> {
        if !self.word("IDENTIFIED") {
            return Ok(None);
        }
        let method = if self.word("WITH") { self.name_or_string()? } else { NATIVE.to_owned() };
        if ![NATIVE, SHA2].iter().any(|known| method.eq_ignore_ascii_case(known)) {
            return Err(
                SqlError::new(codes::ER_PLUGIN_IS_NOT_LOADED, format!("Plugin '{method}' is not loaded")).into()
            );
        }
        if self.word("BY") {
            return Ok(Some(Password::of(&self.string()?)));
        }
        if !self.word("AS") {
            // An account without a password.
            return Ok(Some(None));
        }
        let stored = self.string()?;
        match Password::parse(&stored) {
            None if !stored.is_empty() => {
                let text =
                    "The password hash is not of mysql_native_password: give the password itself, IDENTIFIED BY '...'";
                Err(SqlError::new(codes::ER_PASSWORD_FORMAT, text).into())
            }
            password => Ok(Some(password)),
        }
    }

    /// Behind ALTER USER.
    pub(super) fn alter_user(&mut self) -> Parsed<Statement> {
        let if_exists = self.if_exists();
        let users = self.list(|front| {
            let own = front.peek_word(0, "USER") && front.parser.peek_nth_token_ref(1).token == Token::LParen;
            let account = if own {
                front.word("USER");
                front.expect(&Token::LParen)?;
                front.expect(&Token::RParen)?;
                None
            } else {
                Some(front.account()?)
            };
            Ok((account, front.identified()?.ok_or(Refusal::Here)?))
        })?;
        Ok(Statement::SetPasswords { users, if_exists })
    }

    /// Behind SET PASSWORD.
    pub(super) fn set_password(&mut self) -> Parsed<Statement> {
        let account = if self.word("FOR") { Some(self.account()?) } else { None };
        self.expect(&Token::Eq)?;
        let password = if self.word("PASSWORD") {
            self.expect(&Token::LParen)?;
            let password = self.string()?;
            self.expect(&Token::RParen)?;
            password
        } else {
            self.string()?
        };
        Ok(Statement::SetPasswords { users: vec![(account, Password::of(&password))], if_exists: false })
    }

    /// `user`, `'user'@'host'`, `user@host` in all mixtures of quotes. The tokenizer takes `@` for a letter.
    pub(super) fn account(&mut self) -> Parsed<Account> {
        let (mut user, mut host) = (String::new(), None);
        if let Some(text) = self.optional_string() {
            user = text;
        } else {
            let bare = matches!(&self.parser.peek_token_ref().token, Token::Word(w) if w.quote_style.is_none());
            let word = self.ident()?;
            match word.split_once('@').filter(|_| bare) {
                Some((name, rest)) => {
                    user.push_str(name);
                    host = Some(rest.to_owned());
                }
                None => user = word,
            }
        }
        if host.is_none() {
            let at = match &self.parser.peek_token_ref().token {
                Token::Word(w) if w.quote_style.is_none() => w.value.strip_prefix('@').map(str::to_owned),
                Token::AtSign => Some(String::new()),
                _ => None,
            };
            if at.is_some() {
                self.parser.advance_token();
                host = at;
            }
        }
        let host = match host {
            None => "%".to_owned(),
            Some(rest) if rest.is_empty() => self.name_or_string()?,
            Some(rest) => rest,
        };
        Ok(Account { user, host })
    }

    pub(super) fn grant(&mut self, give: bool) -> Parsed<Statement> {
        let privileges = self.list(Front::privilege)?;
        self.expect_word("ON")?;
        self.word("TABLE");
        let (db, table) = self.grant_level()?;
        self.expect_word(if give { "TO" } else { "FROM" })?;
        let accounts = self.list(Front::account)?;
        let grant_option = give && self.words(&["WITH", "GRANT", "OPTION"]);
        let grant = Grant { privileges, db, table, accounts, grant_option };
        Ok(if give { Statement::Grant(grant) } else { Statement::Revoke(grant) })
    }

    fn privilege(&mut self) -> Parsed<String> {
        if self.word("ALL") {
            self.word("PRIVILEGES");
            return Ok("ALL".to_owned());
        }
        // The longest name first: CREATE TEMPORARY TABLES before CREATE.
        let mut names: Vec<Vec<&str>> = PRIVILEGES.iter().map(|name| name.split(' ').collect()).collect();
        names.sort_by_key(|words| std::cmp::Reverse(words.len()));
        match names.iter().find(|words| self.words(words)) {
            Some(words) => Ok(words.join(" ")),
            None => Err(Refusal::Here),
        }
    }

    /// `*.*`, `db.*`, `*`, `table`, `db.table`
    fn grant_level(&mut self) -> Parsed<(Option<String>, String)> {
        let star = |front: &mut Self| front.token(&Token::Mul).then(|| "*".to_owned());
        let first = match star(self) {
            Some(star) => star,
            None => self.ident()?,
        };
        if !self.token(&Token::Period) {
            return Ok((None, first));
        }
        let second = match star(self) {
            Some(star) => star,
            None if first == "*" => return Err(Refusal::Here),
            None => self.ident()?,
        };
        Ok((Some(first), second))
    }
}
