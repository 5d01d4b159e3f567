//! Statements that are executed often: what is known before their parameters are, and how these get in.

use std::borrow::Cow;

use super::datum::Datum;
use super::error::{Result, SqlError};
use super::host::Host;
use super::parse;
use super::result::{End, ResultColumn, Sink};
use super::session::Session;
use super::text::{SourceText, for_this_version};
use crate::refengine::codes;

impl Session {
    /// The number of parameters of a statement that is to be executed often, and the columns it will give.
    ///
    /// # Errors
    /// What is wrong with the statement before its parameters are known; 1295 for several statements.
    pub fn prepare(&mut self, text: &str, host: &dyn Host) -> Result<(usize, Vec<ResultColumn>)> {
        let text = for_this_version(text);
        let source = SourceText::new(&text);
        let (mut units, rest) = source.split();
        if let Some(error) = rest {
            return Err(error);
        }
        if units.len() > 1 {
            return Err(SqlError::new(codes::ER_UNSUPPORTED_PS, "Several statements cannot be prepared as one"));
        }
        let Some(mut unit) = units.pop() else { return Err(SqlError::empty_query()) };
        let parameters = unit.bind(&mut std::iter::repeat(&Datum::Int(1)));
        let shows = unit.begins_with(&["SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN"]);
        if !shows {
            parse::parse(&source, unit)?;
            return Ok((parameters, Vec::new()));
        }
        let mut heading = Heading::default();
        match self.one(&source, unit, host, &mut heading) {
            // The heading is all that was wanted.
            Err(error) if heading.0.is_none() => Err(error),
            _ => Ok((parameters, heading.0.unwrap_or_default())),
        }
    }

    /// Runs a statement that was prepared, with its parameters.
    ///
    /// # Errors
    /// The statement's; 1210 for a wrong number of parameters.
    pub fn execute_prepared(
        &mut self,
        text: &str,
        parameters: &[Datum],
        host: &dyn Host,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let text = for_this_version(text);
        let source = SourceText::new(&text);
        let Some(mut unit) = source.split().0.into_iter().next() else { return Err(SqlError::empty_query()) };
        if unit.bind(&mut parameters.iter()) != parameters.len() {
            return Err(SqlError::new(codes::ER_WRONG_ARGUMENTS, "Incorrect arguments to mysqld_stmt_execute"));
        }
        self.one(&source, unit, host, sink).map_err(|error| self.failed(error))
    }
}

/// Takes the columns of a result set and ends the statement there.
#[derive(Default)]
struct Heading(Option<Vec<ResultColumn>>);

impl Sink for Heading {
    fn columns(&mut self, columns: &[ResultColumn]) -> Result<()> {
        self.0 = Some(columns.to_vec());
        Err(SqlError::interrupted())
    }

    fn row(&mut self, _: &[Option<Cow<'_, [u8]>>]) -> Result<()> {
        Ok(())
    }

    fn done(&mut self, _: End) -> Result<()> {
        Ok(())
    }
}
