//! What was measured every second, as CSV and as a picture that reads on a light page and on a dark one.

use std::fmt::Write as _;

/// One second.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    pub second: u64,
    /// Resident memory of each replica, in KiB.
    pub rss: [u64; 2],
    /// Open descriptors of each replica.
    pub descriptors: [u64; 2],
    /// Answers in this second: logins, refreshes, guarded routes, logouts, machine tokens.
    pub done: [u64; 5],
    /// Announced 503s in this second.
    pub unavailable: u64,
}

pub fn csv(samples: &[Sample]) -> String {
    let head = "second,rss_a_kib,rss_b_kib,descriptors_a,descriptors_b,logins,refreshes,guarded,logouts,machine_tokens,unavailable\n";
    samples.iter().fold(head.to_owned(), |mut text, sample| {
        let Sample { second, rss: [a, b], descriptors: [x, y], done, unavailable } = sample;
        let done = done.map(|count| count.to_string()).join(",");
        let _ = writeln!(text, "{second},{a},{b},{x},{y},{done},{unavailable}");
        text
    })
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 744.0;

/// Memory above, requests a second below.
pub fn svg(samples: &[Sample], title: &str) -> String {
    let most = samples.iter().flat_map(|sample| sample.rss).max().unwrap_or_default();
    let memory_top = (most as f64 / 1024.0 / 10.0).ceil().max(1.0) * 10.0;
    let busiest = samples.iter().map(|sample| sample.done.iter().sum::<u64>()).max().unwrap_or_default();
    let rate_top = (busiest as f64 / 100.0).ceil().max(1.0) * 100.0;
    let memory = Panel { top: 40.0, bottom: 200.0, most: memory_top, unit: "MiB" };
    let rate = Panel { top: 228.0, bottom: 300.0, most: rate_top, unit: "/s" };
    let last = samples.last().map_or(1, |sample| sample.second.max(1));
    let mut text = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} 340" role="img" aria-label="{title}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #24292f }} line {{ stroke: #8c959f; stroke-opacity: .4 }} polyline {{ fill: none; stroke-width: 1.5 }}
.a {{ stroke: #0969da }} .b {{ stroke: #bc4c00 }} .r {{ stroke: #1a7f37 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #e6edf3 }} .a {{ stroke: #58a6ff }} .b {{ stroke: #f0883e }} .r {{ stroke: #3fb950 }} }}
</style>
<text x="{LEFT}" y="20">{title}</text>
"#
    );
    for panel in [&memory, &rate] {
        panel.grid(&mut text);
    }
    for (class, replica) in [("a", 0), ("b", 1)] {
        memory.line(&mut text, class, last, samples.iter().map(|sample| (sample.second, sample.rss[replica] as f64 / 1024.0)));
    }
    rate.line(&mut text, "r", last, samples.iter().map(|sample| (sample.second, sample.done.iter().sum::<u64>() as f64)));
    let _ = writeln!(text, r#"<text x="{RIGHT}" y="54" text-anchor="end">resident memory of the two replicas</text>"#);
    let _ = writeln!(text, r#"<text x="{RIGHT}" y="242" text-anchor="end">requests a second, both together</text>"#);
    for tick in 0..=4 {
        let (second, x) = (last * tick / 4, LEFT + (RIGHT - LEFT) * tick as f64 / 4.0);
        let _ = writeln!(text, r#"<text x="{x:.0}" y="320" text-anchor="middle">{second} s</text>"#);
    }
    text.push_str("</svg>\n");
    text
}

struct Panel {
    top: f64,
    bottom: f64,
    most: f64,
    unit: &'static str,
}

impl Panel {
    fn grid(&self, text: &mut String) {
        for half in 0..=2 {
            let (y, value) = (self.y(self.most * f64::from(half) / 2.0), self.most * f64::from(half) / 2.0);
            let _ = writeln!(text, r#"<line x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>"#);
            let _ = writeln!(text, r#"<text x="{:.0}" y="{:.1}" text-anchor="end">{value:.0} {}</text>"#, LEFT - 6.0, y + 4.0, self.unit);
        }
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.most
    }

    fn line(&self, text: &mut String, class: &str, last: u64, values: impl Iterator<Item = (u64, f64)>) {
        let points: Vec<String> = values
            .map(|(second, value)| format!("{:.1},{:.1}", LEFT + (RIGHT - LEFT) * second as f64 / last as f64, self.y(value)))
            .collect();
        let _ = writeln!(text, r#"<polyline class="{class}" points="{}"/>"#, points.join(" "));
    }
}
