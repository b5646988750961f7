// The steps from what is to what is wanted, in the order in which they are safe. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "serverprep/desired.hpp"
#include "serverprep/observed.hpp"
#include "serverprep/step.hpp"

namespace dsr::serverprep {

// IFA_PROTO of the addresses we add: our mark of ownership, shown by dumps of kernels from 5.18 on.
inline constexpr std::uint8_t kAddressProtocol = 77;

// ip_forward first, because writing it resets other settings; VIPs last, so that at no moment the host owns a VIP and
// still answers ARP for it. Empty when nothing is to be done.
std::vector<Step> difference(const Desired& desired, const Observed& observed);

// Every setting a host prepared this way depends on, whoever set it.
std::vector<Setting> required_settings(const Desired& desired);

// Packets will be (or are) forwarded from the interface, so that redirects may be sent.
bool will_forward(const Desired& desired, const Observed& observed);

// All addresses of lo that are one of the VIPs have scope host; those still to be added will have it.
bool vips_have_scope_host(const Desired& desired, const Observed& observed);

}  // namespace dsr::serverprep
