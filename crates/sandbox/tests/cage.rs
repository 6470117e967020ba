//! What a real cage lets a program see and do.

mod harness;

use harness::*;

#[tokio::test]
async fn a_program_runs_as_the_one_user_of_a_small_world() {
    let ground = Ground::new();
    let ran = ground.shell("id; ls -la / /dev /tmp /etc; cat /proc/self/mountinfo /proc/self/status; ps aux; df -h /tmp; cat /proc/self/cgroup").await;
    println!("{}\n{}", ran.stdout, ran.stderr);
    ran.ok();
    ground.close().await;
}
