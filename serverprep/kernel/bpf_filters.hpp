// Our filters in the kernel of this thread's network namespace: put there, read back, counted. Does not decide which
// there should be. libbpf is behind this, and only where bpf_in_this_build(); taking filters away needs no libbpf and
// is, like the way to see that there are some without any privilege, in filter_places.hpp.
//
// Privileges: install_filter() needs CAP_BPF and CAP_NET_ADMIN, and CAP_SYS_ADMIN when it replaces; what filters hold
// or have counted is readable with CAP_SYS_ADMIN only (the kernel asks for that to open a map by its id). Root has
// them.
#pragma once

#include <vector>

#include "common/sys/error.hpp"
#include "serverprep/filter.hpp"
#include "serverprep/kernel/filter_places.hpp"

namespace dsr::serverprep {

bool bpf_in_this_build();

// All of ours, each equal to what was installed. One that another version of serverprep installed, in a way this one
// cannot read, has only role and link, and so is unequal to any that install_filter() takes.
// An error without privilege only if there are some: filter_places() then says which.
Result<std::vector<Filter>> installed_filters();

// Attaches the filter; one of ours of the same role on the link is replaced at once, no packet meeting none or both,
// and its counters go on. The link must have a clsact qdisc. Values the role has no use for must be empty or 0; VIPs
// there must be some, prefixes must be without host bits.
Result<void> install_filter(const Filter& filter);

// Without those of another version of serverprep.
Result<std::vector<FilterCounters>> filter_counters();

}  // namespace dsr::serverprep
