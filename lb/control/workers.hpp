// The threads that forward: a worker for each driver, all with the same forwarding table.
#pragma once

#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "lb/dataplane/worker.hpp"
#include "lb/driver/drivers.hpp"

namespace dsr::lb {

class Workers {
public:
    // They forward from the end of this call on. Each makes its flow table on its own thread, so that its memory lies
    // near the core it runs on.
    Workers(Drivers& drivers, std::size_t count, std::size_t flow_table_entries, const ForwardingTable* table);
    Workers(const Workers&) = delete;
    Workers& operator=(const Workers&) = delete;
    ~Workers() { stop(); }

    // See Worker. A table may be freed when all use another one.
    void publish(const ForwardingTable* table);
    [[nodiscard]] bool all_use(const ForwardingTable* table) const;
    // ARP goes out by the first worker, and comes in by any.
    bool send_arp(const ArpFrame& frame) { return workers_.front()->send_arp(frame); }
    bool take_arp(ArpMessage& message);
    // Serves what has arrived, and ends the threads.
    void stop();

    [[nodiscard]] std::vector<const Counters*> counters() const;

private:
    void start(Driver& driver, std::size_t flow_table_entries, const ForwardingTable* table);

    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;
};

}  // namespace dsr::lb
