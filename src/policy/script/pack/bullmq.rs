//! BullMQ 6.7: jobs are hashes, of which the rule encrypts some fields; lists and sorted sets hold their ids.
//!
//! The scripts build the names of jobs from the queue's prefix, and some make up the id, so values are
//! sealed for the rule's scope and their field. The columns: the key that names the queue (0: none does),
//! where the script is told the prefix, what is sealed, what is opened.

use super::Arg::{Field, FieldNamedBy, Log, PackedFields, Progress};
use super::Told::{self, Arg, Packed, Unsaid};
use super::{Keys, Queue, Reply, Script};
use crate::command::Shape;

/// Fields of a job that hold what the application gave. The scripts hand them on and never look into them.
pub const FIELDS: [&str; 4] = ["data", "returnvalue", "failedReason", "stacktrace"];
/// Keys of a queue that are neither hashes nor streams: they hold ids and counters, with which the scripts work.
pub const STATE: [&str; 18] = [
    "wait",
    "active",
    "paused",
    "delayed",
    "prioritized",
    "completed",
    "failed",
    "waiting-children",
    "stalled",
    "stalled-check",
    "limiter",
    "marker",
    "id",
    "pc",
    "repeat",
    "de:0",
    "metrics:completed:data",
    "metrics:failed:data",
];
/// The same of a job.
pub const JOB_STATE: [&str; 3] = [":lock", ":dependencies", ":unsuccessful"];
/// Names of keys that say, behind the prefix, which queue it is.
pub const NAMES: [&str; 2] = ["meta", "events"];

type Args = &'static [(usize, super::Arg)];
const NO: Args = &[];
const DATA_1: Args = &[(1, Field("data"))];
const DATA_2: Args = &[(2, Field("data"))];
const DATA_3: Args = &[(3, Field("data"))];
const DATA_4: Args = &[(4, Field("data"))];
const LOG: Args = &[(2, Log)];
const TRACE: Args = &[(1, Field("stacktrace")), (2, Field("failedReason"))];
const UPDATE_6: Args = &[(6, PackedFields)];
const UPDATE_7: Args = &[(7, PackedFields)];
const FINISH: Args = &[(4, FieldNamedBy(3)), (9, PackedFields)];
const PROGRESS: Args = &[(2, Progress)];

const RAW: Reply = Reply::Shaped(Shape::Raw);
/// A number, or an array that begins with the hash of a job and goes on with numbers and its id.
const JOB: Reply = Reply::Shaped(Shape::IfArray(&Shape::Each(&Shape::IfArray(&Shape::Fields))));
/// For each state: ids and hashes of jobs in pairs.
const JOBS: Reply = Reply::Shaped(Shape::Each(&Shape::Each(&Shape::Each(&Shape::IfArray(&Shape::Fields)))));
const FINISHED: Reply = Reply::Outcome;

const fn row(name: &'static str, key: usize, told: Told, args: Args, reply: Reply, digest: &'static str) -> Script {
    Script { library: "BullMQ", name, digest, keys: Keys::Queue(Queue { key, told }), args, reply }
}

#[rustfmt::skip]
pub(super) const ROWS: &[Script] = &[
    row("addDelayedJob",                        2, Packed(1), DATA_2,   RAW,      "5cae910922d6aa58e10186ec087b2bcc0824f04a"),
    row("addJobScheduler",                      5, Arg(8),    DATA_4,   RAW,      "0424a825d4df293cbe7b13d3e5a9623a10d6f15b"),
    row("addLog",                               0, Unsaid,    LOG,      RAW,      "777ed790da2d59847751b509864d6b361464d671"),
    row("addParentJob",                         1, Packed(1), DATA_2,   RAW,      "7d1b150172e6b51a0084f0c3c3d87c4048371f7f"),
    row("addPrioritizedJob",                    2, Packed(1), DATA_2,   RAW,      "2e9f1f14c1727cb5b9bc15a85d6c6602f56ea902"),
    row("addStandardJob",                       3, Packed(1), DATA_2,   RAW,      "336ecd7de45ac0889fc4797476601b353f49f0de"),
    row("changeDelay",                          2, Unsaid,    NO,       RAW,      "153d864211bf31e7c7a7794b54a691f88cf060d3"),
    row("changePriority",                       3, Arg(2),    NO,       RAW,      "702b4d3e62c7c3b4f72dc605b21e36ccac78987e"),
    row("cleanJobsInSet",                       2, Arg(1),    NO,       RAW,      "f8c6df90381d858a758df9a964839653ef76a835"),
    row("drain",                                3, Arg(1),    NO,       RAW,      "4d0ba34f0af13b753569b94b542efcc9b26eb61d"),
    row("extendLock",                           2, Unsaid,    NO,       RAW,      "69e26c70d8c1e42083fd0a442ae62f1feaa0532e"),
    row("extendLocks",                          1, Arg(1),    NO,       RAW,      "0358c6a78f829c6a91a35ca0c73b797be1552d68"),
    row("getCounts",                            1, Unsaid,    NO,       RAW,      "f42435be250815e3cb081cdda8583ced7a49c7fa"),
    row("getCountsPerPriority",                 2, Unsaid,    NO,       RAW,      "e03835071008af577afa8b299efd436c44246a0a"),
    row("getDependencyCounts",                  0, Unsaid,    NO,       RAW,      "b94b68fa00fabe4c2b7d16b24d63405dc90fcc01"),
    row("getJobScheduler",                      1, Unsaid,    NO,       JOB,      "381b87e6324677af7133deb7eeca467e90761e15"),
    row("getJobs",                              1, Unsaid,    NO,       JOBS,     "7bce0a7fa713f2f7f5266a596d724fc28b721dca"),
    row("getMetrics",                           0, Unsaid,    NO,       RAW,      "6c63a844ead4cc5da3d26f9c1d6c375c277c1519"),
    row("getRanges",                            1, Unsaid,    NO,       RAW,      "36a159f71ca0042abe1663328fd169f0c32148d3"),
    row("getRateLimitTtl",                      2, Unsaid,    NO,       RAW,      "2475dac03e68cf24e76aacf78e44ef71a775098e"),
    row("getState",                             1, Unsaid,    NO,       RAW,      "8331f782136250400f42967d6a228b0492f95a4f"),
    row("getStateV2",                           1, Unsaid,    NO,       RAW,      "2d17cec77deff72b832c6c7dc1a4e42e78e5cdac"),
    row("isFinished",                           1, Unsaid,    NO,       FINISHED, "12a83f149f1f459993130ba1e1f11d879cd56db6"),
    row("isJobInList",                          0, Unsaid,    NO,       RAW,      "44823660badff842cfb54b0a1778685897394d69"),
    row("isMaxed",                              1, Unsaid,    NO,       RAW,      "fae538d717c668947d0a54dd612a32f45cf13b99"),
    row("moveJobFromActiveToWait",              5, Unsaid,    NO,       RAW,      "6b2af5d9cf54e35c34b78191aac0d8e431e10cdc"),
    row("moveJobsToWait",                       6, Unsaid,    NO,       RAW,      "eeb95f38ebe5abb1cb1ad03763d8aaa7b91d5e0b"),
    row("moveStalledJobsToWait",                5, Arg(2),    NO,       RAW,      "7af5d5a310f5486df0b0ec39096a0420e743d3c6"),
    row("moveToActive",                         9, Arg(1),    NO,       JOB,      "7a9246fe96357c664e69cea5184b7505ae1f7945"),
    row("moveToDelayed",                        7, Arg(1),    UPDATE_7, JOB,      "cd22440cec7bd02da937588d6c1a3f937b07a4d7"),
    row("moveToFinished",                       9, Arg(7),    FINISH,   JOB,      "92d4a3464081a85e6ac1b20eed1660e53875f296"),
    row("moveToWaitingChildren",                7, Arg(5),    NO,       RAW,      "b6facb0271fa6f94877e1a2efdb0b60d3f0b9dc1"),
    row("obliterate",                           1, Unsaid,    NO,       RAW,      "3a5b0f43c2ac0663fab0818659a63466243578c0"),
    row("paginate",                             0, Unsaid,    NO,       RAW,      "2e5f0e49bbc247bc019f8a5d12eb9b61e25da062"),
    row("pause",                                3, Unsaid,    NO,       RAW,      "3d795d00a6215c6de51e3f5e337495c409c3955b"),
    row("promote",                              4, Arg(1),    NO,       RAW,      "96b3909d5d73cd78f42b53cf93458dd39a16c569"),
    row("releaseLock",                          0, Unsaid,    NO,       RAW,      "e5582e8a1bb104810f5df9eae84f2cef6c2372bd"),
    row("releaseParentIfNoPendingDependencies", 0, Unsaid,    NO,       RAW,      "77b6c0efe8fc0db484cea014a25ed906413aba88"),
    row("removeChildDependency",                1, Unsaid,    NO,       RAW,      "48a0b0d72c8d0ed5c5c1a8f443c63f4b0a0f2d4e"),
    row("removeDeduplicationKey",               0, Unsaid,    NO,       RAW,      "15f67b34136122a49dd259a6c74d24055e1c3d20"),
    row("removeJob",                            2, Arg(3),    NO,       RAW,      "45091e6b6c6e204d7caf9380bba09e87155e0d89"),
    row("removeJobScheduler",                   1, Arg(2),    NO,       RAW,      "14f05fa00d455cc73188f7d24a7e4eb77d336099"),
    row("removeOrphanedJobs",                   1, Unsaid,    NO,       RAW,      "06b97a564db170fd81541e98b26bba4852f94223"),
    row("removeUnprocessedChildren",            2, Arg(1),    NO,       RAW,      "d18260ff37e1b46ac6f628518954f746a324560e"),
    row("reprocessJob",                         5, Unsaid,    NO,       RAW,      "d66d2e4d8c2b974f2c936c445beeb21fdc359684"),
    row("retryJob",                             5, Arg(1),    UPDATE_6, RAW,      "38d562b95ee4efa179dd6eecd6a8e9dae126e978"),
    row("saveStacktrace",                       0, Unsaid,    TRACE,    RAW,      "fddf35ee21648586d04dded0f027f3db01f04c66"),
    row("updateData",                           0, Unsaid,    DATA_1,   RAW,      "61c51219b65b9d9cc17d25f7eb485b72d81c3516"),
    row("updateJobScheduler",                   5, Arg(6),    DATA_3,   RAW,      "6a285b1e8cef712dd9f5c9276071fd217224d2c2"),
    row("updateProgress",                       3, Unsaid,    PROGRESS, RAW,      "1f6be641f8b4afc1cfa009cf5478e2601b8af3cc"),
];
