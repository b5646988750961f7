// One VIP that this host serves, with all that decides how: what --vip or the configuration asks for, once it is known
// which interface and which means. Remembered in the state, restored after a reboot.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "common/config/model.hpp"
#include "common/wire/address.hpp"

namespace dsr::serverprep {

enum class DecapKind : std::uint8_t {
    ipip,  // the kernel's tunnel devices, one for each load balancer
    bpf,   // a filter of ours on the interface
};

struct ServedVip {
    wire::Ipv4Address vip;
    config::DsrType dsr_type = config::DsrType::l2;
    std::string interface;                      // holds the server's address; its effective settings count
    bool ip_forward = true;                     // false: leave it as it is
    bool from_config = false;                   // goes when the configuration does not have it any more
    std::set<wire::Ipv4Prefix> load_balancers;  // Layer 3: outer sources, empty: any; Layer 2: as far as they are known
    // Layer 3 only:
    DecapKind decap = DecapKind::bpf;
    std::uint32_t path_mtu = 0;  // of the load balancer's interface, bytes; 0: not known

    [[nodiscard]] bool tunnelled() const { return dsr_type == config::DsrType::l3; }
    friend bool operator==(const ServedVip&, const ServedVip&) = default;
};

// "ipip", "bpf"; "l2", "l3"
std::string_view to_string(DecapKind kind);
std::optional<DecapKind> parse_decap_kind(std::string_view text);
std::string_view to_string(config::DsrType type);
std::optional<config::DsrType> parse_dsr_type(std::string_view text);

// "10.0.0.2" for a single address, else "10.0.0.0/24"
std::string source_text(const wire::Ipv4Prefix& source);

// The command that serves this VIP, as a person would give it.
std::string prepare_command(const ServedVip& served);

}  // namespace dsr::serverprep
