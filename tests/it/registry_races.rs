//! Operators who do the same thing at the same moment.

use crate::registry::call;
use crate::world::scenario;
use serde_json::json;

const ROUNDS: usize = 10;

#[tokio::test]
async fn of_two_operators_who_add_the_same_at_once_one_hears_that_it_is_there() {
    scenario(async |world| {
        for round in 0..ROUNDS {
            let (prefix, serial) = (format!("AA00{round:02}"), format!("29{round:06}"));
            let group: i64 = world.ready.group_id.parse().unwrap();
            for (path, body) in [
                ("merchants", json!({ "login": format!("shop-{round}") })),
                ("key-sets", json!({ "prefix": prefix, "cipher": "tdes-dukpt", "generate": true })),
                (
                    "readers",
                    json!({
                        "serial": serial, "kind": "spire", "merchant": world.ready.login,
                        "group": group, "key_set": 2, "device": 500 + round,
                    }),
                ),
            ] {
                let request = format!("POST /admin/v1/{path}");
                let add = || call(world, "sandbox", &request, body.clone());
                let (one, other) = tokio::join!(add(), add());
                let mut statuses = [one.0, other.0];
                statuses.sort_unstable();
                assert_eq!(statuses, [201, 409], "{path}: {one:?} {other:?}");
            }
        }
    })
    .await;
}
