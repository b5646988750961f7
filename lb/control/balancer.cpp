#include "lb/control/balancer.hpp"

#include <algorithm>

#include "lb/control/addresses_in_use.hpp"
#include "lb/control/next_hops.hpp"
#include "lb/driver/dpdk/dpdk_drivers.hpp"
#include "lb/driver/dpdk/support.hpp"
#include "lb/driver/pcap_driver.hpp"
#include "lb/state/needs_restart.hpp"

namespace dsr::lb {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

// A changed route to a server that is routers away takes effect within this time.
constexpr auto kRoutesReadEvery = 5s;
// How long a reload waits for the MAC addresses of servers that are new: three requests would take longer than a person
// likes to wait, and one is answered in a millisecond.
constexpr auto kReloadResolveTime = 1s;

std::vector<PcapInterface> pcap_interfaces(const std::vector<HostInterface>& interfaces) {
    std::vector<PcapInterface> result;
    for (const auto& host : interfaces)
        result.push_back({host.name, host.interface.mtu});
    return result;
}

std::set<wire::Ipv4Address> without(std::set<wire::Ipv4Address> all, const std::set<wire::Ipv4Address>& those) {
    std::erase_if(all, [&](const auto address) { return those.contains(address); });
    return all;
}

}  // namespace

std::expected<std::unique_ptr<Balancer>, StartError> Balancer::start(config::Config config) {
    auto socket = netlink::Socket::open();
    if (!socket) return host_error(socket.error());
    std::unique_ptr<Balancer> balancer(new Balancer(std::move(config), *std::move(socket)));
    if (const auto found = balancer->find_interfaces(); !found) return std::unexpected(found.error());
    if (const auto opened = balancer->open(); !opened) return std::unexpected(opened.error());
    return balancer;
}

std::expected<void, StartError> Balancer::find_interfaces() {
    const config::LoadBalancer& configured = config_.load_balancer;
    if (configured.driver == config::Driver::pcap) {
        auto interfaces = interfaces_of_host(socket_, configured);
        if (!interfaces) return std::unexpected(interfaces.error());
        interfaces_ = *std::move(interfaces);
        return {};
    }
    if (!dpdk_in_this_build()) return configuration_error({kNoDpdk});
    auto devices = devices_of(configured);
    if (!devices) return configuration_error(devices.error());
    devices_ = *std::move(devices);
    interfaces_ = interfaces_of_devices(configured, devices_);
    auto kernel_interfaces = KernelInterfaces::create(socket_, configured, interfaces_);
    if (!kernel_interfaces) return host_error(kernel_interfaces.error());
    kernel_interfaces_ = *std::move(kernel_interfaces);
    return {};
}

std::expected<void, StartError> Balancer::open() {
    next_hops_ = next_hops_of_host(socket_, interfaces_, addresses_in_use(config_));
    want(wanted_neighbors(config_, next_hops_, interfaces_));
    auto table = build_table(config_, next_hops_);
    if (!table) return configuration_error(table.error());
    tables_.push_back(*std::move(table));

    auto routes = VipRoutes::open(socket_);
    if (!routes) return host_error(routes.error());
    routes_ = *std::move(routes);
    if (const auto checked = check_free(socket_, vips_of(config_)); !checked) return host_error(checked.error());
    auto drivers = open_drivers();
    if (!drivers) return host_error(drivers.error());
    drivers_ = *std::move(drivers);
    workers_ = std::make_unique<Workers>(*drivers_, config_.load_balancer.workers,
                                         config_.load_balancer.flow_table_entries, tables_.back().get());
    return {};
}

Result<std::unique_ptr<Drivers>> Balancer::open_drivers() const {
    if (config_.load_balancer.driver == config::Driver::pcap) return open_pcap(pcap_interfaces(interfaces_));
    DpdkSettings settings{{}, config_.load_balancer.workers, config_.load_balancer.dpdk};
    for (std::size_t i = 0; i < interfaces_.size(); ++i)
        settings.interfaces.push_back({interfaces_[i].name, devices_[i], interfaces_[i].interface.mac,
                                       interfaces_[i].interface.mtu, kernel_interfaces_->descriptor(i)});
    return open_dpdk(settings);
}

// --- neighbors and next hops ---

void Balancer::want(const WantedNeighbors& wanted) {
    for (const auto& [address, one] : wanted)
        neighbors_.want(address, one.interface, one.mac);
}

void Balancer::settle_neighbors() {
    const auto wanted = wanted_neighbors(config_, next_hops_, interfaces_);
    want(wanted);
    std::set<wire::Ipv4Address> addresses;
    for (const auto& [address, one] : wanted)
        addresses.insert(address);
    neighbors_.keep_only(addresses);
}

// True: a MAC address became known or changed.
Result<bool> Balancer::hear_neighbors(Time now) {
    if (const std::string failure = drivers_->failure(); !failure.empty()) return fail(failure);
    bool changed = false;
    ArpMessage message;
    while (workers_->take_arp(message))
        changed |= neighbors_.learn(message, now);
    for (const ArpFrame& request : neighbors_.requests(data_plane_interfaces(interfaces_), now))
        workers_->send_arp(request);
    return changed;
}

void Balancer::warn_once(const std::string& sentence) {
    if (sentence != last_warning_) warnings_.push_back(sentence);
    last_warning_ = sentence;
}

// Our own routes are put back if somebody has removed them, and the kernel's are followed.
void Balancer::look_at_routes(Time now) {
    if (now - routes_read_at_ < kRoutesReadEvery) return;
    routes_read_at_ = now;
    if (active_)
        if (const auto set = routes_->set(socket_, vips_of(config_)); !set)
            warn_once("the VIPs cannot be announced: " + set.error().message);
    follow_routes();
}

// Servers that are reached another way than before. One that the kernel has no route to for the moment keeps its own
// way, and so do all when some server could not be served any more.
void Balancer::follow_routes() {
    auto routes = netlink::routes(socket_);
    if (!routes || *routes == routes_seen_) return;
    routes_seen_ = *std::move(routes);
    NextHops hops = next_hops_of_host(socket_, interfaces_, addresses_in_use(config_));
    hops.insert(next_hops_.begin(), next_hops_.end());
    if (hops == next_hops_) return;
    want(wanted_neighbors(config_, hops, interfaces_));
    auto table = build_table(config_, hops);
    if (!table) return warn_once("a changed route is not followed: " + table.error().message);
    next_hops_ = std::move(hops);
    publish(*std::move(table));
    settle_neighbors();
}

std::set<wire::Ipv4Address> Balancer::silent_neighbors() const {
    std::set<wire::Ipv4Address> silent;
    for (const auto& [address, neighbor] : neighbors_.neighbors())
        if (!neighbor.mac) silent.insert(address);
    return silent;
}

void Balancer::wait_for_neighbors(const std::set<wire::Ipv4Address>& silent) {
    const auto deadline = Clock::now() + kReloadResolveTime;
    while (hear_neighbors(Clock::now()) && !without(silent_neighbors(), silent).empty() && Clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
}

Result<void> Balancer::tick(Time now) {
    // Tables that were replaced are freed only when all workers have left them.
    if (workers_->all_use(tables_.back().get())) tables_.erase(tables_.begin(), tables_.end() - 1);
    const auto heard = hear_neighbors(now);
    if (!heard) return std::unexpected(heard.error());
    look_at_routes(now);
    for (auto& event : drivers_->take_events())
        warnings_.push_back(std::move(event));
    if (const std::string lost = lost_all_servers(); !lost.empty()) return fail(lost);
    if (*heard)
        if (const auto rebuilt = rebuild(); !rebuilt) warn_once(rebuilt.error().message);
    return {};
}

std::vector<std::string> Balancer::unresolved() const {
    std::vector<std::string> sentences;
    const auto servers = servers_in_use(config_);
    for (const auto& [address, neighbor] : neighbors_.neighbors()) {
        if (neighbor.mac) continue;
        const bool server = std::ranges::find(servers, address, &config::Server::address) != servers.end();
        const bool next_hop = std::ranges::any_of(
            next_hops_, [&](const auto& hop) { return hop.second.address == address && hop.first != address; });
        sentences.push_back(std::string(server ? "server" : "gateway") + " '" + wire::to_string(address) +
                            "' does not answer ARP on '" + interfaces_[neighbor.interface].name + "'" +
                            (server     ? "; its share of the flows is dropped until it does"
                             : next_hop ? "; flows of the servers behind it are dropped until it does"
                                        : ""));
    }
    return sentences;
}

bool Balancer::linked() const {
    return std::ranges::all_of(drivers_->interfaces(), &InterfaceState::link);
}

// Then announcing the VIPs would black-hole them.
std::string Balancer::lost_all_servers() const {
    const bool lost = !next_hops_.empty() && std::ranges::none_of(next_hops_, [this](const auto& hop) {
        return drivers_->present(hop.second.interface);
    });
    return lost ? "the interface towards every server has vanished" : "";
}

std::optional<std::string> Balancer::dead_gateway() const {
    for (const auto& host : interfaces_) {
        if (!host.gateway || !host.gateway_configured) continue;
        const std::string gateway = "gateway '" + wire::to_string(*host.gateway) + "'";
        const auto neighbor = neighbors_.neighbors().find(*host.gateway);
        if (neighbor == neighbors_.neighbors().end())
            return gateway + " is not on the network of interface '" + host.name + "'";
        if (!neighbor->second.mac)
            return gateway + " does not answer ARP on '" + host.name + "'" + (linked() ? "" : ", which has no link");
    }
    return std::nullopt;
}

// --- forwarding tables ---

Result<Balancer::Table> Balancer::build_table(const config::Config& config, const NextHops& hops) {
    return build_forwarding_table(config, {data_plane_interfaces(interfaces_), hops, neighbors_.macs()}, active_,
                                  identities_, rings_);
}

void Balancer::publish(Table table) {
    tables_.push_back(std::move(table));
    workers_->publish(tables_.back().get());
}

Result<void> Balancer::rebuild() {
    auto table = build_table(config_, next_hops_);
    if (!table) return std::unexpected(table.error());
    publish(*std::move(table));
    return {};
}

// Workers take a table up at once; a second is for a stuck machine.
void Balancer::wait_for_workers() const {
    const auto deadline = Clock::now() + 1s;
    while (!workers_->all_use(tables_.back().get()) && Clock::now() < deadline)
        std::this_thread::sleep_for(100us);
}

Result<void> Balancer::set_server_state(const std::string& pool, wire::Ipv4Address server, config::ServerState state) {
    OperatorStates states = operator_states_;
    if (auto set = states.set(file_config_, pool, server, state); !set) return set;
    config::Config config = states.apply(file_config_);
    return change_to({file_config_, std::move(config), std::move(states), next_hops_});
}

Result<void> Balancer::reload(config::Config file) {
    if (const auto fixed = needs_restart(file_config_.load_balancer, file.load_balancer))
        return fail("load_balancer." + *fixed + " differs from what lb was started with; restart lb to change it");
    if (auto free = check_free(socket_, without(vips_of(file), vips_of(config_))); !free) return free;
    OperatorStates states = operator_states_;
    states.prune(file);
    config::Config config = states.apply(file);
    NextHops hops = next_hops_of_host(socket_, interfaces_, addresses_in_use(config));
    const auto new_vips = without(vips_of(config), vips_of(config_));
    if (auto changed = change_to({std::move(file), std::move(config), std::move(states), std::move(hops)}); !changed)
        return changed;
    rings_.prune(config_);
    if (active_) send_announcements(new_vips);
    return {};
}

// Everything that can fail comes before the first thing that changes for a packet; and is undone.
Result<void> Balancer::change_to(Setting setting) {
    const auto silent = silent_neighbors();
    want(wanted_neighbors(setting.config, setting.next_hops, interfaces_));
    wait_for_neighbors(silent);
    auto table = build_table(setting.config, setting.next_hops);
    Result<void> done;
    if (!table)
        done = std::unexpected(table.error());
    else if (active_)  // the network stops sending for a VIP before we stop forwarding for it
        done = routes_->set(socket_, vips_of(setting.config));
    if (!done) {
        settle_neighbors();
        (void)rebuild();  // with what was heard meanwhile; it cannot fail where it has not failed before
        if (active_) (void)routes_->set(socket_, vips_of(config_));
        return done;
    }
    file_config_ = std::move(setting.file_config);
    config_ = std::move(setting.config);
    operator_states_ = std::move(setting.operator_states);
    next_hops_ = std::move(setting.next_hops);
    publish(*std::move(table));
    settle_neighbors();
    wait_for_workers();
    return {};
}

// --- announcing ---

void Balancer::send_announcements(const std::set<wire::Ipv4Address>& vips) {
    const auto interfaces = data_plane_interfaces(interfaces_);
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        for (const auto vip : vips)
            if (interfaces[i].address.contains(vip))
                workers_->send_arp(announcement(interfaces[i], static_cast<std::uint8_t>(i), vip));
}

Result<void> Balancer::announce() {
    if (const auto set = routes_->set(socket_, vips_of(config_)); !set) return set;
    active_ = true;
    if (const auto rebuilt = rebuild(); !rebuilt) return rebuilt;
    send_announcements(vips_of(config_));
    wait_for_workers();  // "ready" must mean that the workers answer ARP from now on
    return {};
}

Result<void> Balancer::stop() {
    active_ = false;
    auto result = rebuild();
    if (auto withdrawn = routes_->set(socket_, {}); !withdrawn) result = withdrawn;
    workers_->stop();
    return result;
}

std::string Balancer::summary() const {
    const auto servers = addresses_in_use(config_);
    const auto counted = [](std::size_t count, const char* what) {
        return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
    };
    std::string text =
        counted(config_.virtual_services.size(), "virtual service") + ", " + counted(servers.size(), "server") + ", on";
    for (const auto& host : interfaces_)
        text += " " + host.name;
    return text;
}

}  // namespace dsr::lb
