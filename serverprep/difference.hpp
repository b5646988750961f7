// The steps from what is to what is wanted, in the order in which they are safe. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/layer3.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

// IFA_PROTO of the addresses we add: our mark of ownership, shown by dumps of kernels from 5.18 on.
inline constexpr std::uint8_t kAddressProtocol = 77;

// An address of lo that a run of ours has added. Kernels before 5.18 do not show the mark: then by its form.
bool is_our_vip(const netlink::Address& address);

// Who shares what is to be changed.
struct Shared {
    std::vector<ServedVip> others;  // VIPs that stay and are not in the request: filters and tunnels are theirs as well
    std::set<wire::Ipv4Address> leaving;  // VIPs that filters must not have any more
};

// ip_forward first, because writing it resets other settings; then what keeps quiet; VIPs when the host is quiet about
// them; what hands them packets last. Empty when nothing is to be done.
std::vector<Step> difference(const Desired& desired, const Observed& observed, const Shared& shared);

// The steps that leave filters with what `staying` take, without what is leaving; a VIP of unknown origin is kept.
// Those that add come with the clsact they need.
std::vector<Step> filter_steps(const std::vector<ServedVip>& staying, const std::set<wire::Ipv4Address>& leaving,
                               const std::vector<WantedTunnel>& tunnels, const Observed& observed);

// Every setting a host prepared this way depends on, whoever set it.
std::set<Setting> required_settings(const std::vector<ServedVip>& served, const Observed& observed);

// Packets will be (or are) forwarded from the interface, so that redirects may be sent.
bool will_forward(const ServedVip& served, const Observed& observed);

// All addresses of lo that are one of the VIPs have scope host; those still to be added will have it.
bool vips_have_scope_host(const Desired& desired, const Observed& observed);

}  // namespace dsr::serverprep
