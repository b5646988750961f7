// Which addresses cannot be a VIP, and why. Pure.
#pragma once

#include <optional>
#include <string>

#include "serverprep/desired.hpp"
#include "serverprep/observed.hpp"

namespace dsr::serverprep {

// Anywhere.
std::optional<std::string> refusal_of_vip(wire::Ipv4Address vip);

// On this host: its own address, its gateway's, a load balancer's, or one that its subnet uses for itself.
std::optional<std::string> refusal_here(wire::Ipv4Address vip, const Request& request, const Inventory& inventory);

// The addresses of this link that are neither VIPs nor of loopback or link scope: those that servers are reached by.
std::vector<wire::Ipv4Address> own_addresses(const std::string& link, const Inventory& inventory,
                                             const std::set<wire::Ipv4Address>& vips);

}  // namespace dsr::serverprep
