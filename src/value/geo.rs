//! Points on the earth as scores of a sorted set: cells of a grid, distances, and searches in an area.
//!
//! 1. The map is cut in half by longitude and by latitude 26 times. A point's number of column and of row, their bits
//!    in turn (latitude's the lower one), make 52 bits, which a double holds: the score.
//! 2. Points whose leading bits are the same share a larger cell, so a cell is a range of scores.
//! 3. A search picks the cells' size so that the cell of the centre and the eight around it cover the area, leaves out
//!    those that the area does not reach, and looks at every member in the remaining ranges.
//!
//! **Invariant:** which cells are visited, in which order, and how distances are rounded, is what Redis does: replies
//! that are not sorted, and those cut by `COUNT … ANY`, show it.

use super::listpack::Element;
use super::zset::ZSetRef;
use smallvec::SmallVec;
use std::ops::Bound;

/// The longitude of the map's edge, in degrees.
pub const LONGITUDE_MAX: f64 = 180.0;
/// The latitude of the map's edge: where a Mercator map of the whole earth is a square.
pub const LATITUDE_MAX: f64 = 85.051_128_78;

const EARTH_RADIUS_M: f64 = 6_372_797.560_856;
/// Half of the map's width at the equator.
const MERCATOR_MAX_M: f64 = 20_037_726.37;
const DEGREE: f64 = std::f64::consts::PI / 180.0;
/// How often the map is cut for a score.
const STEPS_MAX: u32 = 26;
const HASH_LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A point, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// From -180 to 180, positive in the east.
    pub longitude: f64,
    /// From -85.05112878 to 85.05112878, positive in the north.
    pub latitude: f64,
}

/// A unit of length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unit {
    /// Metres.
    #[default]
    M,
    /// Kilometres.
    Km,
    /// Feet.
    Ft,
    /// Miles.
    Mi,
}

impl Unit {
    /// How many metres it is.
    #[must_use]
    pub fn metres(self) -> f64 {
        match self {
            Unit::M => 1.0,
            Unit::Km => 1000.0,
            Unit::Ft => 0.3048,
            Unit::Mi => 1609.34,
        }
    }

    /// The unit's name in commands.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Unit::M => "m",
            Unit::Km => "km",
            Unit::Ft => "ft",
            Unit::Mi => "mi",
        }
    }

    /// The unit of this name, in any case.
    #[must_use]
    pub fn parse(name: &[u8]) -> Option<Self> {
        [Unit::M, Unit::Km, Unit::Ft, Unit::Mi]
            .into_iter()
            .find(|unit| name.eq_ignore_ascii_case(unit.name().as_bytes()))
    }
}

/// What a search covers around its centre; lengths in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// A circle.
    Circle {
        /// Its radius.
        radius: f64,
    },
    /// A box, whose sides follow the meridians and parallels.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
}

/// A member that a search found.
#[derive(Clone, Copy, Debug)]
pub struct Match<'a> {
    /// The member.
    pub member: Element<'a>,
    /// Its score.
    pub score: f64,
    /// Where it is.
    pub point: Point,
    /// How far from the centre, in metres.
    pub distance: f64,
}

/// In which order matches are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they are found.
    #[default]
    AsFound,
    /// The nearest first.
    Nearest,
    /// The farthest first.
    Farthest,
}

/// How many matches are wanted, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The order.
    pub order: Order,
    /// The most that are wanted.
    pub count: Option<u64>,
    /// Whether the first ones that are found will do.
    pub any: bool,
}

impl Point {
    /// Whether the map has this point.
    #[must_use]
    pub fn is_on_map(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The score of the cell that it is in. O(1).
    #[must_use]
    pub fn score(self) -> f64 {
        Cell::of(self, LATITUDE_MAX, STEPS_MAX).bits() as f64
    }

    /// The middle of the cell that a score stands for; scores that are none of ours stand for some point, too. O(1).
    #[must_use]
    pub fn of_score(score: f64) -> Self {
        let area = Cell::of_bits(bits_of(score), STEPS_MAX).area();
        Self {
            longitude: f64::midpoint(area.west, area.east).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: f64::midpoint(area.south, area.north).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// The usual text of a geohash, whose map reaches from pole to pole: ten letters, and a zero in place of the
    /// eleventh, for which there are not bits enough. O(1).
    #[must_use]
    pub fn geohash(self) -> [u8; 11] {
        let bits = Cell::of(self, 90.0, STEPS_MAX).bits();
        std::array::from_fn(|at| {
            let letter = if at < 10 { (bits >> (47 - 5 * at)) & 0x1f } else { 0 };
            HASH_LETTERS.get(letter as usize).copied().unwrap_or(b'0')
        })
    }

    /// The length of the great circle between two points, in metres. O(1).
    #[must_use]
    pub fn distance(self, other: Point) -> f64 {
        let across = ((other.longitude * DEGREE - self.longitude * DEGREE) / 2.0).sin();
        if across == 0.0 {
            return along_meridian(self.latitude, other.latitude);
        }
        let (from, to) = (self.latitude * DEGREE, other.latitude * DEGREE);
        let up = ((to - from) / 2.0).sin();
        let haversine = up * up + from.cos() * to.cos() * across * across;
        2.0 * EARTH_RADIUS_M * haversine.sqrt().asin()
    }
}

/// The distance of two latitudes, in metres.
fn along_meridian(from: f64, to: f64) -> f64 {
    EARTH_RADIUS_M * (to * DEGREE - from * DEGREE).abs()
}

/// A score's bits as C converts it, for scores that are no cells as well.
fn bits_of(score: f64) -> u64 {
    const TOP: f64 = 9_223_372_036_854_775_808.0;
    let convert = |value: f64| if (-TOP..TOP).contains(&value) { value as i64 } else { i64::MIN } as u64;
    if score < TOP { convert(score) } else { convert(score - TOP) ^ (1 << 63) }
}

/// A cell of the grid that so many cuts make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// Counted from the west.
    column: u32,
    /// Counted from the south.
    row: u32,
    steps: u32,
}

/// What a cell covers, in degrees.
#[derive(Clone, Copy, Debug)]
struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Cell {
    /// The cell that a point of the map is in. The eastern and northern edges are in columns and rows of their own.
    fn of(point: Point, latitude_max: f64, steps: u32) -> Self {
        let count = (1u64 << steps) as f64;
        let place = |at: f64, max: f64| ((at + max) / (max + max) * count) as u32;
        Self {
            column: place(point.longitude, LONGITUDE_MAX),
            row: place(point.latitude, latitude_max),
            steps,
        }
    }

    fn of_bits(bits: u64, steps: u32) -> Self {
        Self { column: squeeze(bits >> 1), row: squeeze(bits), steps }
    }

    fn bits(self) -> u64 {
        spread(self.row) | spread(self.column) << 1
    }

    fn area(self) -> Area {
        let count = (1u64 << self.steps) as f64;
        let edge = |at: u32, max: f64| -max + f64::from(at) / count * (max + max);
        Area {
            west: edge(self.column, LONGITUDE_MAX),
            east: edge(self.column.wrapping_add(1), LONGITUDE_MAX),
            south: edge(self.row, LATITUDE_MAX),
            north: edge(self.row.wrapping_add(1), LATITUDE_MAX),
        }
    }

    /// The cell so many columns and rows away, around the earth and over its poles.
    fn beside(self, columns: i32, rows: i32) -> Self {
        let mask = (1u32 << self.steps) - 1;
        let step = |at: u32, by: i32| if by == 0 { at } else { at.wrapping_add_signed(by) & mask };
        Self { column: step(self.column, columns), row: step(self.row, rows), steps: self.steps }
    }

    /// Whether an area reaches beyond the cells around this one.
    fn is_too_small_for(self, bounds: Area) -> bool {
        self.beside(0, 1).area().north < bounds.north
            || self.beside(0, -1).area().south > bounds.south
            || self.beside(1, 0).area().east < bounds.east
            || self.beside(-1, 0).area().west > bounds.west
    }

    /// The scores of the points in it: from the first up to, not including, the second.
    fn scores(self) -> (f64, f64) {
        let shift = 2 * (STEPS_MAX - self.steps);
        let bits = self.bits();
        ((bits << shift) as f64, ((bits + 1) << shift) as f64)
    }
}

/// Puts a zero in front of each bit.
fn spread(bits: u32) -> u64 {
    let mut bits = u64::from(bits);
    for (shift, mask) in [
        (16, 0x0000_FFFF_0000_FFFF),
        (8, 0x00FF_00FF_00FF_00FF),
        (4, 0x0F0F_0F0F_0F0F_0F0F),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ] {
        bits = (bits | bits << shift) & mask;
    }
    bits
}

/// Takes every other bit, from the lowest on.
fn squeeze(bits: u64) -> u32 {
    let mut bits = bits & 0x5555_5555_5555_5555;
    for (shift, mask) in [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0F0F_0F0F_0F0F_0F0F),
        (4, 0x00FF_00FF_00FF_00FF),
        (8, 0x0000_FFFF_0000_FFFF),
        (16, 0x0000_0000_FFFF_FFFF),
    ] {
        bits = (bits | bits >> shift) & mask;
    }
    bits as u32
}

impl Shape {
    /// The distance from the centre of a point within; `None` for one that is not.
    fn distance_within(self, centre: Point, point: Point) -> Option<f64> {
        match self {
            Shape::Circle { radius } => {
                let distance = centre.distance(point);
                // Between opposite points rounding may give no number, which counts as near.
                let beyond = distance > radius;
                (!beyond).then_some(distance)
            }
            Shape::Box { width, height } => {
                let aside = Point { longitude: centre.longitude, latitude: point.latitude };
                if along_meridian(point.latitude, centre.latitude) > height / 2.0
                    || point.distance(aside) > width / 2.0
                {
                    return None;
                }
                Some(centre.distance(point))
            }
        }
    }

    /// The distance of the farthest point.
    fn reach(self) -> f64 {
        match self {
            Shape::Circle { radius } => radius,
            Shape::Box { width, height } => {
                let (across, up) = (width / 2.0, height / 2.0);
                (across * across + up * up).sqrt()
            }
        }
    }

    /// What it covers at most, in degrees. On a sphere a shape is widest at its end towards the pole.
    fn bounds(self, centre: Point) -> Area {
        let (across, up) = match self {
            Shape::Circle { radius } => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let up = up / EARTH_RADIUS_M / DEGREE;
        let widest = if centre.latitude < 0.0 { centre.latitude - up } else { centre.latitude + up };
        let across = across / EARTH_RADIUS_M / (widest * DEGREE).cos() / DEGREE;
        Area {
            west: centre.longitude - across,
            east: centre.longitude + across,
            south: centre.latitude - up,
            north: centre.latitude + up,
        }
    }

    /// How often the map is cut for cells of which nine cover the shape.
    fn steps(self, centre: Point) -> u32 {
        let mut reach = self.reach();
        if reach == 0.0 {
            return STEPS_MAX;
        }
        let mut steps = 1i32;
        while reach < MERCATOR_MAX_M && steps < 64 {
            reach *= 2.0;
            steps += 1;
        }
        // One for the shape's both halves, one for a centre at its cell's edge.
        steps -= 2;
        // Cells are narrow near the poles.
        let from_equator = centre.latitude.abs();
        steps -= i32::from(from_equator > 66.0) + i32::from(from_equator > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// The cells that cover the shape, the one of the centre first.
    fn cells(self, centre: Point) -> SmallVec<[Cell; 9]> {
        /// Columns and rows from the centre, in the order in which cells are visited.
        const AROUND: [(i32, i32); 9] =
            [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut steps = self.steps(centre);
        let bounds = self.bounds(centre);
        if steps > 1 && Cell::of(centre, LATITUDE_MAX, steps).is_too_small_for(bounds) {
            steps -= 1;
        }
        let middle = Cell::of(centre, LATITUDE_MAX, steps);
        let area = middle.area();
        let needed = |(columns, rows): (i32, i32)| {
            // Four cells and fewer in a row are neighbours on both sides.
            steps < 2
                || !((columns < 0 && area.west < bounds.west)
                    || (columns > 0 && area.east > bounds.east)
                    || (rows < 0 && area.south < bounds.south)
                    || (rows > 0 && area.north > bounds.north))
        };
        let mut cells: SmallVec<[Cell; 9]> = SmallVec::new();
        for (columns, rows) in AROUND.into_iter().filter(|&at| needed(at)) {
            let cell = middle.beside(columns, rows);
            // Where there are two cells in a row, both neighbours are one.
            if cells.len() < 2 || cells.last() != Some(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

/// The members of a sorted set of points that are in a shape. O(members in the cells around it).
#[must_use]
pub fn search<'a>(zset: ZSetRef<'a>, centre: Point, shape: Shape, wanted: Wanted) -> Vec<Match<'a>> {
    let count = wanted.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
    let enough = if wanted.any { count } else { usize::MAX };
    let mut found = Vec::new();
    'cells: for cell in shape.cells(centre) {
        let (min, max) = cell.scores();
        let ranks = zset.score_range((Bound::Included(min), Bound::Excluded(max)));
        for (member, score) in zset.range(ranks) {
            if found.len() >= enough {
                break 'cells;
            }
            let point = Point::of_score(score);
            if let Some(distance) = shape.distance_within(centre, point) {
                found.push(Match { member, score, point, distance });
            }
        }
    }
    let order = match wanted.order {
        // The nearest ones are wanted where not all are, and not any.
        Order::AsFound if wanted.count.is_some() && !wanted.any => Order::Nearest,
        order => order,
    };
    match order {
        Order::AsFound => {}
        Order::Nearest => found.sort_by(|a, b| a.distance.total_cmp(&b.distance)),
        Order::Farthest => found.sort_by(|a, b| b.distance.total_cmp(&a.distance)),
    }
    found.truncate(count);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use quickcheck::quickcheck;

    #[test]
    fn a_point_has_the_score_and_the_letters_that_redis_gives_it() {
        let palermo = Point { longitude: 13.361_389, latitude: 38.115_556 };
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        let back = Point::of_score(palermo.score());
        assert_eq!(back, Point { longitude: 13.361_389_338_970_184, latitude: 38.115_556_395_496_3 });
        assert_eq!(&back.geohash(), b"sqc8b49rny0");
        let catania = Point::of_score(Point { longitude: 15.087_269, latitude: 37.502_669 }.score());
        assert_eq!(format!("{:.4}", back.distance(catania)), "166274.1516");
    }

    quickcheck! {
        fn bits_that_are_spread_are_squeezed_back(bits: u32) -> bool {
            squeeze(spread(bits)) == bits && spread(bits) & 0xAAAA_AAAA_AAAA_AAAA == 0
        }

        fn every_score_stands_for_a_point_of_the_map(score: f64) -> bool {
            score.is_nan() || Point::of_score(score).is_on_map()
        }

        fn the_cells_around_a_centre_differ(longitude: i32, latitude: i32, radius: u32) -> bool {
            let part = |number: i32| f64::from(number) / f64::from(i32::MAX);
            let centre = Point {
                longitude: (part(longitude) * LONGITUDE_MAX).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
                latitude: (part(latitude) * LATITUDE_MAX).clamp(-LATITUDE_MAX, LATITUDE_MAX),
            };
            let cells = Shape::Circle { radius: f64::from(radius) / 10.0 }.cells(centre);
            (0..cells.len()).all(|at| cells.iter().filter(|cell| **cell == cells[at]).count() == 1)
        }
    }
}
