"""What the kernel says of a process."""

import os
import time
from pathlib import Path


def cpu_seconds(pid):
    """CPU time of the process so far, its ended threads included, to the nanosecond: the clock that
    clock_getcpuclockid(3) names. /proc/PID/stat has the same in steps of 10 ms."""
    return time.clock_gettime((~pid << 3) | 2)


def kernel_seconds(pid):
    """The part of it inside the kernel, in steps of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[12]) / os.sysconf("SC_CLK_TCK")


def memory_kb(pid):
    """(resident, proportional) memory. The second has pages shared with other processes in shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("Rss", "Pss:"))}
    return sizes["Rss"], sizes["Pss"]


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"
