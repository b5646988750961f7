// What all workers together have counted.
#pragma once

#include <vector>

#include "lb/dataplane/counters.hpp"

namespace dsr::lb {

class AllCounters {
public:
    explicit AllCounters(std::vector<const Counters*> workers) : workers_(std::move(workers)) {}

    // `of`: a worker's Counters to one Counter in it.
    template <typename Of>
    [[nodiscard]] std::uint64_t sum(Of of) const {
        std::uint64_t total = 0;
        for (const Counters* counters : workers_)
            total += of(*counters).get();
        return total;
    }

    struct Member {
        std::uint64_t packets = 0;
        std::uint64_t bounced = 0;
    };
    // Zero when no worker ever counted the pair.
    [[nodiscard]] Member member(ServiceId service, ServerId server) const {
        Member total;
        for (const Counters* counters : workers_) {
            const MemberCounts* counts = counters->members.find(service, server);
            if (counts == nullptr) continue;
            total.packets += counts->packets.get();
            total.bounced += counts->bounced.get();
        }
        return total;
    }

private:
    std::vector<const Counters*> workers_;
};

}  // namespace dsr::lb
