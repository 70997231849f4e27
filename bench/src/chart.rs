//! The charts of docs/.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::growth::Growth;
use crate::page::Measured;
use crate::report::{CellReport, RowReport, number};

/// A chart was drawn, or why not.
pub type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Those that a chart has room for.
const SHOWN: &[&str] = &[
    "ours-x",
    "ours-i",
    "ours-run",
    "bump",
    "bumpwrap",
    "dlmalloc",
    "talc",
    "vera",
    "as-incremental",
    "gc-copying",
    "gc-drc",
    "v8-gc",
];

const OURS: RGBColor = RGBColor(0x1b, 0x7f, 0x4d);
const LIMIT: RGBColor = RGBColor(0xb0, 0xb0, 0xb0);
const RIVAL: RGBColor = RGBColor(0x4c, 0x72, 0xb0);
const SECOND: RGBColor = RGBColor(0xc4, 0x4e, 0x52);
const THIRD: RGBColor = RGBColor(0x81, 0x72, 0xb2);
const COLOURS: [RGBColor; 3] = [OURS, SECOND, THIRD];

const COLUMNS: usize = 3;
const PANEL: (u32, u32) = (400, 250);

/// Every workload in a panel of its own, with a bar for each of the best known.
pub fn bars(measured: &Measured, path: &Path) -> Drawn {
    let report = &measured.report;
    let rows = report.rows.len().div_ceil(COLUMNS);
    let size = (PANEL.0 * COLUMNS as u32, PANEL.1 * rows as u32);
    let root = SVGBackend::new(path, size).into_drawing_area();
    root.fill(&WHITE)?;
    for (row, area) in report.rows.iter().zip(root.split_evenly((rows, COLUMNS))) {
        panel(row, &area)?;
    }
    root.present()?;
    Ok(())
}

fn panel(row: &RowReport, area: &Area<'_>) -> Drawn {
    let cells: Vec<(&str, &str, f64)> = SHOWN
        .iter()
        .filter_map(|id| row.cells.iter().find(|cell| cell.id == *id))
        .filter_map(|cell| Some((cell.id.as_str(), cell.title.as_str(), cell.time?.median)))
        .collect();
    let (Some(least), Some(most)) = (
        cells.iter().map(|cell| cell.2).min_by(f64::total_cmp),
        cells.iter().map(|cell| cell.2).max_by(f64::total_cmp),
    ) else {
        return Ok(());
    };
    // A logarithmic scale, since the slowest is often a hundred times slower than the fastest.
    let (from, to) = (least / 1.6, (most * 4.0).max(least * 10.0));
    let place = |value: f64| (value / from).ln() / (to / from).ln();

    let (left, top, height) = (165, 30, 18);
    let width = PANEL.0 as i32 - left - 10;
    let text = |size: i32| ("sans-serif", size).into_font();
    area.draw(&Text::new(format!("{}, {}", row.title, row.unit), (8, 8), text(13)))?;
    for (at, (id, title, value)) in cells.iter().enumerate() {
        let y = top + at as i32 * height;
        let end = left + (place(*value) * f64::from(width)) as i32;
        let colour = match *id {
            id if id.contains("ours") => OURS,
            "bump" | "bumpwrap" => LIMIT,
            _ => RIVAL,
        };
        let title = title.replace("merged and optimised", "inlined");
        area.draw(&Text::new(title, (8, y + 2), text(11)))?;
        area.draw(&Rectangle::new([(left, y + 1), (end, y + height - 4)], colour.filled()))?;
        area.draw(&Text::new(number(*value), (end + 4, y + 2), text(11)))?;
    }
    Ok(())
}

/// The effect of GROWTH_PERCENT: time, memory and pauses by those of the default.
pub fn growth(measured: &Measured, path: &Path) -> Drawn {
    let root = SVGBackend::new(path, (1_200, 340)).into_drawing_area();
    root.fill(&WHITE)?;
    for ((title, values), area) in measured.growth.iter().zip(root.split_evenly((1, 3))) {
        let Some(default) = values.iter().find(|value| value.percent == 100) else { continue };
        let peak = default.peak.max(1) as f64;
        let pause = default.max.max(1e-3);
        let lines: [(&str, Vec<(f64, f64)>); 3] = [
            ("time", points(values, |value| value.by_default)),
            ("peak memory", points(values, |value| value.peak as f64 / peak)),
            ("longest pause", points(values, |value| value.max / pause)),
        ];
        let most = lines.iter().flat_map(|line| &line.1).map(|point| point.1).fold(2.0, f64::max);
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("{title}: by GROWTH_PERCENT"), ("sans-serif", 13))
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(36)
            .build_cartesian_2d((10.0..900.0_f64).log_scale(), 0.0..most * 1.1)?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_labels(6)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_labels(6)
            .draw()?;
        for ((name, line), colour) in lines.into_iter().zip(COLOURS) {
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperMiddle)
            .border_style(LIMIT)
            .background_style(WHITE)
            .draw()?;
    }
    root.present()?;
    Ok(())
}

fn points(values: &[Growth], of: impl Fn(&Growth) -> f64) -> Vec<(f64, f64)> {
    values.iter().map(|value| (f64::from(value.percent), of(value))).collect()
}

/// The number of pauses by length, for ours and wasmtime's collectors.
pub fn pauses(measured: &Measured, path: &Path) -> Drawn {
    let report = &measured.report;
    let shown = ["ours-x", "gc-copying", "gc-drc"];
    let rows: Vec<&RowReport> =
        report.rows.iter().filter(|row| ["trees", "live1m", "slots"].contains(&row.id)).collect();
    let root = SVGBackend::new(path, (1_200, 340)).into_drawing_area();
    root.fill(&WHITE)?;
    for (row, area) in rows.iter().zip(root.split_evenly((1, 3))) {
        let cells: Vec<&CellReport> =
            shown.iter().filter_map(|id| row.cells.iter().find(|cell| cell.id == *id)).collect();
        let counts = cells.iter().flat_map(|cell| &cell.pause_histogram).map(|bar| bar.1);
        // Room for the legend above the lines.
        let most = counts.max().unwrap_or(1) as f64 * 20.0;
        let mut chart = ChartBuilder::on(&area)
            .caption(format!("{}: pauses by length, µs", row.title), ("sans-serif", 13))
            .margin(10)
            .x_label_area_size(28)
            .y_label_area_size(46)
            .build_cartesian_2d((5.0..1e6_f64).log_scale(), (0.8..most).log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_label_formatter(&|x| format!("{x:.0}"))
            .y_label_formatter(&|y| format!("{y:.0}"))
            .draw()?;
        for (cell, colour) in cells.into_iter().zip(COLOURS) {
            let line = cell.pause_histogram.iter().map(|&(micros, count)| (micros, count as f64));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)).point_size(2))?
                .label(cell.title.clone())
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .border_style(LIMIT)
            .background_style(WHITE)
            .draw()?;
    }
    root.present()?;
    Ok(())
}
