//! `tillgate bench` as a command, in its smallest form: that it measures everything, not how much.

use crate::process::Folder;
use serde_json::Value;

#[test]
fn bench_measures_every_figure_and_leaves_nothing_behind() {
    let folder = Folder::make();
    let ended = folder.run(
        &[
            "bench",
            "--json",
            "--seconds=1",
            "--connections=4",
            "--growth",
            "--growth-orders=20000",
            "--backlog=50",
            "--evil",
            "--terminals=20",
        ],
        &[],
    );
    assert!(ended.success, "{}", ended.err);
    let figures: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(figures["engine"], "sqlite");
    for name in [
        "bare_rps",
        "accept_rps",
        "accept_tdes_per_sim",
        "accept_aes_per_sim",
        "e2e_rps",
        "status_rps",
        "naive_rps",
        "batch_rps",
        "e2e_per_naive",
        "lone_sale_per_commit",
        "deliveries_per_client",
        "status_p99_under_sales_per_idle",
        "accept_max_per_mean",
        "rss_idle_mib",
        "rss_per_million_nonces_mib",
        "accept_grown_per_young",
        "status_grown_per_young",
        "backlog_ready_ms",
        "backlog_drain_per_normal",
        "healthy_p99_with_evil_per_without",
        "payment_cpu_per_sale",
    ] {
        assert!(figures[name].as_f64().is_some_and(|figure| figure > 0.0), "{name}: {figures}");
    }
    assert!(figures["backlog_orders"].as_f64().unwrap() >= 50.0, "{figures}");
    assert!(figures["sale_cpu_with_database_us"].is_null(), "SQLite has no processes: {figures}");
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
