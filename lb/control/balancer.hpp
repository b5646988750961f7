// One running load balancer: its driver, worker, neighbors, VIP routes and API, and what connects them.
#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/netlink/socket.hpp"
#include "lb/control/api_server.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/control/start_error.hpp"
#include "lb/control/vip_routes.hpp"
#include "lb/dataplane/worker.hpp"
#include "lb/driver/pcap_driver.hpp"
#include "lb/monitor/neighbors.hpp"
#include "lb/state/build_table.hpp"

namespace dsr::lb {

class Balancer {
public:
    using Time = NeighborMonitor::Time;

    // Acquires everything, and forwards from the end of this call on; VIPs are not announced yet.
    static std::expected<std::unique_ptr<Balancer>, StartError> start(config::Config config);
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;
    ~Balancer();

    // To be called a few times a second: ARP, tables nobody uses any more, a driver that failed.
    Result<void> tick(Time now);

    // Every server and gateway has a MAC address.
    [[nodiscard]] bool resolved() const { return !neighbors_.any_unresolved(); }
    // One sentence for each server and kernel-configured gateway that has not answered ARP.
    [[nodiscard]] std::vector<std::string> unresolved() const;
    // A gateway that the configuration names and that has not answered.
    [[nodiscard]] std::optional<std::string> dead_gateway() const;

    // From here on the network sends VIP traffic to us: routes first, then answers to ARP, then ARP announcements.
    Result<void> announce();
    // The other way round; then forwards what has arrived, and ends the worker.
    Result<void> stop();

    [[nodiscard]] const std::vector<std::unique_ptr<ApiServer>>& api() const { return api_; }
    // "2 virtual services, 3 servers on eth0"
    [[nodiscard]] std::string summary() const;

private:
    Balancer(config::Config config, netlink::Socket socket, std::vector<HostInterface> interfaces)
        : config_(std::move(config)), socket_(std::move(socket)), interfaces_(std::move(interfaces)) {}

    std::expected<void, StartError> open();
    Result<void> open_api();
    void want_neighbors();
    [[nodiscard]] std::vector<config::Server> servers_in_use() const;
    Result<std::unique_ptr<const ForwardingTable>> build_table();
    // Hands the worker a new table.
    Result<void> publish();
    void end_worker();
    [[nodiscard]] HttpResponse answer(std::string_view path);

    config::Config config_;
    netlink::Socket socket_;
    std::vector<HostInterface> interfaces_;
    std::set<wire::Ipv4Address> vips_;
    bool active_ = false;  // the VIPs are announced
    Identities identities_;
    RingCache rings_;
    NeighborMonitor neighbors_;
    std::vector<std::unique_ptr<ApiServer>> api_;
    std::unique_ptr<PcapDriver> driver_;
    std::unique_ptr<VipRoutes> routes_;
    std::vector<std::unique_ptr<const ForwardingTable>> tables_;  // oldest first; the last one is published
    std::unique_ptr<Worker> worker_;
    std::thread thread_;
};

}  // namespace dsr::lb
