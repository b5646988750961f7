// What to do about each fault of the matrix that verify names. Text only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/wire/address.hpp"

namespace dsr::verify {

// The load balancer's own host answers for the VIP. No row of the matrix: its finding is return-via-lb.
inline constexpr std::string_view kVipOnLb = "vip-on-lb";

// One sentence with the command to run and on which host.
std::string remedy(std::string_view finding, wire::Ipv4Address vip, std::optional<wire::Ipv4Address> server = {});

}  // namespace dsr::verify
