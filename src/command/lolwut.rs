//! `LOLWUT`: the version, and a picture.
//!
//! The arguments are those of Redis; the pictures are our own. Version 5 draws a damselfly with dots (Braille patterns,
//! two dots wide and four high), version 6 the water that it flies above, in colours of the terminal.

use super::args::{Args, parse_int};
use super::error::CommandError;
use super::info::REDIS_VERSION;
use super::table::{Command, Flag::*, Group, Keys, Run, row};
use crate::engine::{Reach, Session};
use crate::reply::Sink;
use std::f64::consts::TAU;
use std::fmt::Write as _;

/// The family's row.
pub const COMMANDS: &[Command] = &[row("LOLWUT", -1, &[Read, Fast], Keys::None, Run::Session(lolwut))
    .of(Group::Server, "5.0.0")
    .doc("[VERSION version]", "Displays computer art and the Redis version", "")];

/// Replies with a picture of the version asked for, and the version. Errors: a number that is none. O(size of the
/// picture), which has bounds.
///
/// Reference: <https://valkey.io/commands/lolwut/>
fn lolwut(
    _: &mut Session,
    _: &mut Reach<'_, '_>,
    args: &mut Args<'_>,
    out: &mut dyn Sink,
) -> Result<(), CommandError> {
    let mut version = 0;
    let mut rest = args.rest();
    if let [word, number, more @ ..] = rest
        && word.eq_ignore_ascii_case(b"VERSION")
    {
        version = parse_int(number).ok_or(CommandError::NotAnInteger)?;
        rest = more;
    }
    let number = |at: usize, default: i64, max: i64| match rest.get(at) {
        Some(text) => parse_int(text).map(|number| number.clamp(1, max)).ok_or(CommandError::NotAnInteger),
        None => Ok(default),
    };
    let picture = match version {
        5 => {
            let columns = number(0, 66, 1000)?;
            // Redis' picture has squares in rows and columns; ours has pairs of wings and bends in the body.
            let (wings, bends) = (number(1, 8, 200)?, number(2, 12, 200)?);
            damselfly(columns as usize, wings as usize, bends as f64)
                + "\nA damselfly, at rest for a moment. "
        }
        6 => {
            water(number(0, 80, 1000)? as usize, number(1, 20, 1000)? as usize) + "\nWhere damselflies live. "
        }
        _ => String::new(),
    };
    out.verbatim("txt", format!("{picture}Redis ver. {REDIS_VERSION}\n").as_bytes());
    Ok(())
}

/// A canvas of dots.
struct Canvas {
    columns: usize,
    rows: usize,
    cells: Vec<u8>,
}

impl Canvas {
    fn new(columns: usize, rows: usize) -> Self {
        Self { columns, rows, cells: vec![0; columns * rows] }
    }

    fn dot(&mut self, x: f64, y: f64) {
        const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
        let (x, y) = (x.round(), y.round());
        if x < 0.0 || y < 0.0 || x >= (self.columns * 2) as f64 || y >= (self.rows * 4) as f64 {
            return;
        }
        let (x, y) = (x as usize, y as usize);
        if let Some(cell) = self.cells.get_mut(y / 4 * self.columns + x / 2) {
            *cell |= BITS[y % 4][x % 2];
        }
    }

    fn show(&self) -> String {
        let mut text = String::new();
        for row in self.cells.chunks(self.columns) {
            text.extend(row.iter().map(|&bits| char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ')));
            text.push('\n');
        }
        text
    }
}

/// A long body, and veined wings on both sides of it.
fn damselfly(columns: usize, wings: usize, bends: f64) -> String {
    let rows = (columns / 4).max(1);
    let mut canvas = Canvas::new(columns, rows);
    let (width, height) = ((columns * 2) as f64, (rows * 4) as f64);
    let middle = height / 2.0;
    let steps = columns * 8;
    for step in 0..steps {
        let along = step as f64 / steps as f64;
        let swing = (along * bends).sin() * height / 40.0;
        let thick = if along < 0.08 { height / 24.0 } else { height / 60.0 };
        for side in [-1.0, 0.0, 1.0] {
            canvas.dot(along * width, middle + swing + side * thick);
        }
    }
    for wing in 0..wings.min(40) {
        let lean = wing as f64 / wings as f64 * 0.9 + 0.1;
        for step in 0..steps {
            let angle = step as f64 / steps as f64 * TAU;
            let reach = angle.sin().abs().sqrt() * height * 0.48 * lean;
            let at = width * (0.2 + 0.1 * angle.cos() * (2.0 - lean));
            canvas.dot(at + reach * 0.6, middle - reach);
            canvas.dot(at + reach * 0.6, middle + reach);
        }
    }
    canvas.show()
}

/// Waves, each line a shade of its own.
fn water(columns: usize, rows: usize) -> String {
    const SHADES: [u8; 4] = [44, 104, 46, 106];
    let mut text = String::new();
    for row in 0..rows {
        for column in 0..columns {
            let wave =
                (column as f64 / 6.0 + row as f64).sin() + (column as f64 / 17.0 - row as f64 / 3.0).sin();
            let shade = SHADES[((wave + 2.0) as usize).min(3)];
            // A string takes whatever is written.
            let _ = write!(text, "\x1b[0;{shade}m ");
        }
        text.push_str("\x1b[0m\n");
    }
    text
}
