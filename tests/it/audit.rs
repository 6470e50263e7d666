//! The audit log and those who have no business at the operators' door.

use crate::registry::call;
use crate::world::scenario;
use serde_json::Value;
use tillgate::payment::MINUTE;

/// How many calls of strangers the log takes in one minute.
const PER_MINUTE: i64 = 60;

#[tokio::test]
async fn a_flood_of_strangers_leaves_sixty_rows_a_minute_and_operators_leave_all_of_theirs() {
    scenario(async |world| {
        let look = "GET /admin/v1/operators";
        for minute in 1..=2 {
            for _ in 0..PER_MINUTE + 20 {
                assert_eq!(call(world, "nobody's token", look, Value::Null).await.0, 401);
            }
            assert_eq!(world.database.count("audit").await, minute * PER_MINUTE);
            world.clock.advance(MINUTE);
        }
        for _ in 0..PER_MINUTE + 20 {
            assert_eq!(call(world, "sandbox", look, Value::Null).await.0, 200);
        }
        assert_eq!(world.database.count("audit").await, 3 * PER_MINUTE + 20);
    })
    .await;
}
