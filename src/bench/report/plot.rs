//! Curves over two axes, as SVG.

use super::scale::Scale;
use super::text::escape;
use std::fmt::Write;

/// One curve.
pub(super) struct Curve {
    /// Its name in the legend.
    pub(super) name: String,
    /// What the legend says beside it.
    pub(super) figures: String,
    /// Its colour: a class of the style.
    pub(super) colour: &'static str,
    /// Broken lines tell containers from modules without colour.
    pub(super) dashed: bool,
    /// Its points, with `x` rising.
    pub(super) points: Vec<(f64, f64)>,
}

/// A chart.
pub(super) struct Plot {
    /// Unique in the page: letters, digits and `-`.
    pub(super) id: String,
    /// What it shows: read out, and shown above it.
    pub(super) title: String,
    /// The same in a sentence, for who can't see it.
    pub(super) description: String,
    /// What is along each axis.
    pub(super) labels: (&'static str, &'static str),
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) write_x: fn(f64) -> String,
    pub(super) write_y: fn(f64) -> String,
    /// Steps from point to point, as cumulative curves have; else straight lines with dots.
    pub(super) steps: bool,
    pub(super) curves: Vec<Curve>,
}

/// A size to draw it in: letters stay as large on a narrow screen.
struct Frame {
    class: &'static str,
    width: f64,
    height: f64,
    ticks: usize,
}

const FRAMES: [Frame; 2] = [
    Frame { class: "wide", width: 1000.0, height: 380.0, ticks: 9 },
    Frame { class: "narrow", width: 352.0, height: 300.0, ticks: 4 },
];
const LEFT: f64 = 74.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 46.0;
/// Points nearer than this to the last one drawn, in pixels each way, can't be seen.
const NEAR: f64 = 0.4;

impl Plot {
    /// The chart in both sizes, with its legend.
    pub(super) fn html(&self) -> String {
        let mut html = format!(
            "<figure class=\"plot\" id=\"{}\"><figcaption>{}</figcaption>",
            self.id,
            escape(&self.title)
        );
        for frame in &FRAMES {
            html.push_str(&self.svg(frame));
        }
        html.push_str("<ul class=\"legend\">");
        for (index, curve) in self.curves.iter().enumerate() {
            let _ = write!(
                html,
                "<li><button type=\"button\" aria-pressed=\"true\" data-curve=\"{}-{index}\"><svg class=\"key\" viewBox=\"0 0 30 10\" \
                 aria-hidden=\"true\"><path class=\"curve {}{}\" d=\"M1 5H29\"/></svg><span class=\"name\">{}</span> \
                 <span class=\"figures\">{}</span></button></li>",
                self.id,
                curve.colour,
                if curve.dashed { " dashed" } else { "" },
                escape(&curve.name),
                escape(&curve.figures),
            );
        }
        html.push_str("</ul></figure>\n");
        html
    }

    fn svg(&self, frame: &Frame) -> String {
        let id = format!("{}-{}", self.id, frame.class);
        let mut svg = format!(
            "<svg class=\"chart {}\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\"><title id=\"{id}-t\">{}</title>\
             <desc id=\"{id}-d\">{}</desc>",
            frame.class,
            frame.width,
            frame.height,
            escape(&self.title),
            escape(&self.description),
        );
        self.axes(frame, &mut svg);
        for (index, curve) in self.curves.iter().enumerate() {
            let (path, dots) = self.path(frame, curve);
            let dashed = if curve.dashed { " dashed" } else { "" };
            let _ = write!(
                svg,
                "<g data-of=\"{}-{index}\"><path class=\"curve {}{dashed}\" d=\"{path}\"><title>{}</title></path>",
                self.id,
                curve.colour,
                escape(&format!("{}: {}", curve.name, curve.figures)),
            );
            for (x, y) in dots {
                let _ = write!(
                    svg,
                    "<circle class=\"dot {}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3.5\"/>",
                    curve.colour
                );
            }
            svg.push_str("</g>");
        }
        svg.push_str("</svg>");
        svg
    }

    fn axes(&self, frame: &Frame, svg: &mut String) {
        let (right, bottom) = (frame.width - RIGHT, frame.height - BOTTOM);
        for between in self.x.between() {
            let x = self.left_of(frame, between);
            let _ = write!(svg, "<path class=\"minor\" d=\"M{x:.1} {TOP}V{bottom}\"/>");
        }
        for tick in self.x.ticks(frame.ticks) {
            let x = self.left_of(frame, tick);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{x:.1} {TOP}V{bottom}\"/><text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                bottom + 18.0,
                escape(&(self.write_x)(tick)),
            );
        }
        for tick in self.y.ticks(5) {
            let y = self.top_of(frame, tick);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                y + 4.0,
                escape(&(self.write_y)(tick)),
            );
        }
        let _ = write!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/><text class=\"label\" x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text class=\"label\" transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + right) / 2.0,
            frame.height - 8.0,
            escape(self.labels.0),
            (TOP + bottom) / 2.0,
            escape(self.labels.1),
        );
    }

    fn left_of(&self, frame: &Frame, x: f64) -> f64 {
        LEFT + self.x.place(x) * (frame.width - LEFT - RIGHT)
    }

    fn top_of(&self, frame: &Frame, y: f64) -> f64 {
        let bottom = frame.height - BOTTOM;
        bottom - self.y.place(y) * (bottom - TOP)
    }

    /// The curve's path, and its dots where it has some.
    fn path(&self, frame: &Frame, curve: &Curve) -> (String, Vec<(f64, f64)>) {
        let place = |&(x, y): &(f64, f64)| (self.left_of(frame, x), self.top_of(frame, y));
        let places: Vec<_> = curve.points.iter().map(place).collect();
        let Some(&(first, _)) = places.first() else { return (String::new(), Vec::new()) };
        if !self.steps {
            let line: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            return (format!("M{}", line.join("L")), places);
        }
        let mut path = format!("M{first:.1} {:.1}", frame.height - BOTTOM);
        let mut drawn = (f64::NEG_INFINITY, f64::NEG_INFINITY);
        let last = places.len() - 1;
        for (index, &(x, y)) in places.iter().enumerate() {
            if index == last || (x - drawn.0).abs() >= NEAR || (y - drawn.1).abs() >= NEAR {
                let _ = write!(path, "H{x:.1}V{y:.1}");
                drawn = (x, y);
            }
        }
        (path, Vec::new())
    }
}
