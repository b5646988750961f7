#include "lb/control/workers.hpp"

#include <algorithm>
#include <future>

namespace dsr::lb {

Workers::Workers(Drivers& drivers, std::size_t count, std::size_t flow_table_entries, const ForwardingTable* table) {
    workers_.reserve(count);
    threads_.reserve(count);
    try {
        for (std::size_t i = 0; i < count; ++i)
            start(drivers.of_worker(i), flow_table_entries, table);
    } catch (...) {  // no memory, or no more threads
        stop();
        throw;
    }
}

// The worker is made by its own thread, and kept here.
void Workers::start(Driver& driver, std::size_t flow_table_entries, const ForwardingTable* table) {
    std::promise<Worker*> promise;
    auto made = promise.get_future();
    threads_.emplace_back([this, &driver, flow_table_entries, table, &promise] {
        driver.start_thread();
        Worker* worker = nullptr;
        try {
            worker = workers_.emplace_back(std::make_unique<Worker>(driver, flow_table_entries, table)).get();
        } catch (...) {
            return promise.set_exception(std::current_exception());
        }
        promise.set_value(worker);  // from here on, `promise` is the other thread's
        worker->run();
    });
    made.get();
}

void Workers::publish(const ForwardingTable* table) {
    for (const auto& worker : workers_)
        worker->publish(table);
}

bool Workers::all_use(const ForwardingTable* table) const {
    return std::ranges::all_of(workers_, [table](const auto& worker) { return worker->in_use() == table; });
}

bool Workers::take_arp(ArpMessage& message) {
    return std::ranges::any_of(workers_, [&message](const auto& worker) { return worker->take_arp(message); });
}

void Workers::stop() {
    for (const auto& worker : workers_)
        worker->stop();
    for (std::thread& thread : threads_)
        thread.join();
    threads_.clear();
}

std::vector<const Counters*> Workers::counters() const {
    std::vector<const Counters*> all;
    for (const auto& worker : workers_)
        all.push_back(&worker->counters());
    return all;
}

}  // namespace dsr::lb
