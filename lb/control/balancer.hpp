// One running load balancer: its drivers, workers, neighbors, VIP routes, and what connects them.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/config/model.hpp"
#include "common/sys/netlink/route.hpp"
#include "common/sys/netlink/socket.hpp"
#include "lb/control/addresses_in_use.hpp"
#include "lb/control/all_counters.hpp"
#include "lb/control/interfaces.hpp"
#include "lb/control/kernel_interfaces.hpp"
#include "lb/control/start_error.hpp"
#include "lb/control/vip_routes.hpp"
#include "lb/control/workers.hpp"
#include "lb/monitor/neighbors.hpp"
#include "lb/state/build_table.hpp"
#include "lb/state/operator_states.hpp"

namespace dsr::lb {

class Balancer {
public:
    using Time = NeighborMonitor::Time;

    // Acquires everything, and forwards from the end of this call on; VIPs are not announced yet.
    static std::expected<std::unique_ptr<Balancer>, StartError> start(config::Config config);
    Balancer(const Balancer&) = delete;
    Balancer& operator=(const Balancer&) = delete;

    // To be called a few times a second: ARP, routes, tables nobody uses any more. Error: the driver has failed.
    Result<void> tick(Time now);
    // What went wrong since the last call and stopped nothing, a sentence each.
    std::vector<std::string> take_warnings() { return std::exchange(warnings_, {}); }

    // Every server and gateway has a MAC address.
    [[nodiscard]] bool resolved() const { return !neighbors_.any_unresolved(); }
    // One sentence for each neighbor that has not answered ARP.
    [[nodiscard]] std::vector<std::string> unresolved() const;
    // Every interface has its link, as far as is known.
    [[nodiscard]] bool linked() const;
    // A gateway that the configuration names and that has not answered.
    [[nodiscard]] std::optional<std::string> dead_gateway() const;

    // From here on the network sends VIP traffic to us: routes first, then answers to ARP, then ARP announcements.
    Result<void> announce();
    // Goes over to another configuration without losing a packet: new servers are asked for their MAC addresses first,
    // for a second at most; established flows stay where they are. An error has changed nothing.
    Result<void> reload(config::Config config);
    // From now on, and over reloads, in place of the file's.
    Result<void> set_server_state(const std::string& pool, wire::Ipv4Address server, config::ServerState state);
    // Withdraws the VIPs; then forwards what has arrived, and ends the workers.
    Result<void> stop();

    // "2 virtual services, 3 servers, on eth0"
    [[nodiscard]] std::string summary() const;

    [[nodiscard]] const config::Config& file_config() const { return file_config_; }
    [[nodiscard]] const config::Config& config() const { return config_; }  // with the operators' states
    [[nodiscard]] const std::vector<HostInterface>& interfaces() const { return interfaces_; }
    [[nodiscard]] const NextHops& next_hops() const { return next_hops_; }
    [[nodiscard]] const NeighborMonitor& neighbors() const { return neighbors_; }
    [[nodiscard]] Identities& identities() { return identities_; }
    [[nodiscard]] AllCounters counters() const { return AllCounters(workers_->counters()); }
    [[nodiscard]] std::vector<InterfaceState> interface_states() { return drivers_->interfaces(); }

private:
    Balancer(config::Config config, netlink::Socket socket)
        : file_config_(config), config_(std::move(config)), socket_(std::move(socket)) {}

    using Table = std::unique_ptr<const ForwardingTable>;

    // What a reload or an operator changes, all of it at once.
    struct Setting {
        config::Config file_config;
        config::Config config;
        OperatorStates operator_states;
        NextHops next_hops;
    };

    std::expected<void, StartError> find_interfaces();
    std::expected<void, StartError> open();
    Result<std::unique_ptr<Drivers>> open_drivers() const;
    void want(const WantedNeighbors& wanted);
    // Wants those of the configuration in use, and forgets all others.
    void settle_neighbors();
    Result<Table> build_table(const config::Config& config, const NextHops& hops);
    // Hands the workers a table.
    void publish(Table table);
    Result<void> rebuild();
    Result<void> change_to(Setting setting);
    void send_announcements(const std::set<wire::Ipv4Address>& vips);
    [[nodiscard]] std::string lost_all_servers() const;
    Result<bool> hear_neighbors(Time now);
    void look_at_routes(Time now);
    void follow_routes();
    void warn_once(const std::string& sentence);
    [[nodiscard]] std::set<wire::Ipv4Address> silent_neighbors() const;
    // Until all but these have answered, for a while at most.
    void wait_for_neighbors(const std::set<wire::Ipv4Address>& silent);
    void wait_for_workers() const;

    config::Config file_config_;
    config::Config config_;
    OperatorStates operator_states_;
    netlink::Socket socket_;
    std::vector<HostInterface> interfaces_;
    std::vector<DpdkDevice> devices_;  // of the interfaces; none with driver pcap
    std::optional<KernelInterfaces> kernel_interfaces_;
    NextHops next_hops_;
    Time routes_read_at_{};
    std::vector<netlink::Route> routes_seen_;  // of the kernel
    std::vector<std::string> warnings_;
    std::string last_warning_;
    bool active_ = false;  // the VIPs are announced
    Identities identities_;
    RingCache rings_;
    NeighborMonitor neighbors_;
    std::unique_ptr<Drivers> drivers_;
    std::unique_ptr<VipRoutes> routes_;
    std::vector<Table> tables_;  // oldest first; the last one is published
    std::unique_ptr<Workers> workers_;
};

}  // namespace dsr::lb
