//! What a server holds in memory.

use nigh_proto::v1;

/// What a server holds in memory, in bytes. Mapped files are not part of it: they can be let go of.
#[derive(Copy, Clone, PartialEq, Eq, Debug, Default)]
pub struct MemoryStatus {
    /// How much it may hold; `None`: there is no limit.
    pub limit: Option<u64>,
    /// What counts against it: all of the below, or what the system says the process has of its own, where that is more.
    pub held: u64,
    /// Rows not yet in a segment.
    pub live: u64,
    /// Batches that wait for the writer.
    pub queue: u64,
    /// Codes and links of segments.
    pub graphs: u64,
    /// What seals and merges that run are expected to take.
    pub builds: u64,
    /// Writes that were refused for want of memory since the start.
    pub refused_writes: u64,
}

pub(crate) fn status_in(memory: v1::MemoryStatus) -> MemoryStatus {
    MemoryStatus {
        limit: memory.limit,
        held: memory.held,
        live: memory.live,
        queue: memory.queue,
        graphs: memory.graphs,
        builds: memory.builds,
        refused_writes: memory.refused_writes,
    }
}
