// What a worker counts. Written by one worker, read by anyone at any time: single 64-bit words, no locks, and so no
// common moment: who reads several adds up what it read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "lb/dataplane/member_counters.hpp"
#include "lb/dataplane/packet.hpp"

namespace dsr::lb {

struct ServiceCounters {
    Counter packets;         // forwarded
    Counter return_packets;  // from the VIP and service port to lb's own MAC: DSR replies that should have bypassed it
};

struct Counters {
    Counter received;
    std::array<Counter, 3> verdicts;  // by Verdict; dropped ones are in `dropped`
    std::array<Counter, kDropCount> dropped;
    Counter new_flows;
    Counter flow_table_full;  // new flows that found no room: served by the ring alone
    // Indexed by ServiceId; sized for every id there can be, 1 MB, so that a reload never moves them.
    std::unique_ptr<ServiceCounters[]> services{new ServiceCounters[kNoId]};
    MemberCounters members;

    // Counts the packet's end.
    void account(const Packet& packet) {
        received.add();
        if (packet.verdict == Verdict::dropped)
            dropped[static_cast<std::size_t>(packet.reason)].add();
        else
            verdicts[static_cast<std::size_t>(packet.verdict)].add();
        if (packet.verdict == Verdict::forwarded) {
            services[packet.service].packets.add();
            members.at(packet.service, packet.server).packets.add();
        }
    }
};

}  // namespace dsr::lb
