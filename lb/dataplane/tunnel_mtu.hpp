// What the way to a server takes, where a router beyond our own link has said that it takes less (RFC 2003 section 5.1:
// the tunnel's MTU as soft state). Fixed memory; owned by one worker.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "common/wire/address.hpp"
#include "lb/dataplane/flow_time.hpp"

namespace dsr::lb {

class TunnelMtus {
public:
    // A path that has become wider is tried again after this many seconds (RFC 1191 section 6.3).
    static constexpr FlowTime kLifetime = 600;
    // Less is not believed, as Linux does not: a forged error must not cut packets to pieces.
    static constexpr std::uint32_t kLeast = 552;

    // `mtu`: bytes of outer packet.
    void note(wire::Ipv4Address server, std::uint32_t mtu, FlowTime now) {
        any_ = true;
        at(server) = {server.host(), static_cast<std::uint16_t>(std::min<std::uint32_t>(mtu, 0xffff)),
                      static_cast<FlowTime>(now + kLifetime)};
    }
    // Bytes of outer packet; no limit when nothing is known.
    [[nodiscard]] std::uint32_t of(wire::Ipv4Address server, FlowTime now) {
        if (!any_) [[likely]]  // as long as no router has spoken
            return std::numeric_limits<std::uint32_t>::max();
        Entry& entry = at(server);
        if (entry.mtu == 0 || entry.server != server.host()) [[likely]]
            return std::numeric_limits<std::uint32_t>::max();
        // The clock comes round: what is further ahead than it can be is long past.
        const auto left = static_cast<FlowTime>(entry.expires - now);
        if (left != 0 && left <= kLifetime) return entry.mtu;
        entry.mtu = 0;
        return std::numeric_limits<std::uint32_t>::max();
    }

private:
    struct Entry {
        std::uint32_t server = 0;  // address, host order
        std::uint16_t mtu = 0;     // 0: nothing is known
        FlowTime expires = 0;
    };
    static constexpr unsigned kBits = 12;  // 32 KB

    // Servers whose numbers meet here take turns at being remembered: the other one's router says it again.
    Entry& at(wire::Ipv4Address server) { return entries_[(server.host() * 0x9e3779b1U) >> (32U - kBits)]; }

    bool any_ = false;
    std::unique_ptr<Entry[]> entries_{new Entry[std::size_t{1} << kBits]};
};

}  // namespace dsr::lb
