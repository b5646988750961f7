// What a worker counts. Written by one worker, read by anyone at any time: single 64-bit words, no locks, and so no
// common moment: who reads several adds up what it read.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

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
    std::array<Counter, kAnswerCount> answers;  // what `answered` consists of
    Counter new_flows;
    // Packets of flows that could not be remembered, and so were served by the ring alone:
    Counter flow_table_full;  // no room
    Counter flow_limit;       // too many new flows in this second
    // Indexed by ServiceId; sized for every id there can be, 1 MB, so that a reload never moves them.
    std::unique_ptr<ServiceCounters[]> services{new ServiceCounters[kNoId]};
    MemberCounters members;

    // Counts the ends of a burst's packets. Those that are held have none yet.
    void account(std::span<const Packet> burst) {
        std::uint64_t forwarded = 0;
        for (const Packet& packet : burst) {
            if (packet.verdict != Verdict::forwarded) [[unlikely]] {
                account_other(packet);
                continue;
            }
            ++forwarded;
            const ServiceId service = packet.service;
            services[service].packets.add();
            members.at(service, packet.server).packets.add();
        }
        received.add(forwarded);
        verdicts[static_cast<std::size_t>(Verdict::forwarded)].add(forwarded);
    }
    void account(const Packet& packet) { account({&packet, 1}); }

private:
    void account_other(const Packet& packet) {
        if (packet.verdict == Verdict::held) return;
        received.add();
        if (packet.verdict == Verdict::dropped)
            dropped[static_cast<std::size_t>(packet.reason)].add();
        else
            verdicts[static_cast<std::size_t>(packet.verdict)].add();
        if (packet.verdict == Verdict::answered) answers[static_cast<std::size_t>(packet.answer)].add();
    }
};

}  // namespace dsr::lb
