#include "lb/control/balancer.hpp"

#include <algorithm>

#include "lb/control/status.hpp"

namespace dsr::lb {
namespace {

std::vector<PcapInterface> pcap_interfaces(const std::vector<HostInterface>& interfaces) {
    std::vector<PcapInterface> result;
    for (const auto& host : interfaces)
        result.push_back({host.name, host.interface.mtu});
    return result;
}

}  // namespace

std::expected<std::unique_ptr<Balancer>, StartError> Balancer::start(config::Config config) {
    if (const auto reason = unsupported(config)) return configuration_error({*reason});
    auto socket = netlink::Socket::open();
    if (!socket) return host_error(socket.error());
    auto interfaces = interfaces_of_host(*socket, config.load_balancer);
    if (!interfaces) return std::unexpected(interfaces.error());
    std::unique_ptr<Balancer> balancer(new Balancer(std::move(config), *std::move(socket), *std::move(interfaces)));
    if (const auto opened = balancer->open(); !opened) return std::unexpected(opened.error());
    return balancer;
}

std::expected<void, StartError> Balancer::open() {
    for (const auto& service : config_.virtual_services)
        vips_.insert(service.vip);
    want_neighbors();
    auto table = build_table();
    if (!table) return configuration_error(table.error());
    tables_.push_back(*std::move(table));

    if (const auto opened = open_api(); !opened) return host_error(opened.error());
    auto driver = PcapDriver::open(pcap_interfaces(interfaces_));
    if (!driver) return host_error(driver.error());
    driver_ = *std::move(driver);
    auto routes = VipRoutes::open(socket_);
    if (!routes) return host_error(routes.error());
    routes_ = *std::move(routes);
    if (const auto checked = check_free(socket_, vips_); !checked) return host_error(checked.error());

    worker_ = std::make_unique<Worker>(*driver_, config_.load_balancer.flow_table_entries, tables_.back().get());
    thread_ = std::thread([this] { worker_->run(); });
    return {};
}

Balancer::~Balancer() {
    end_worker();
}

void Balancer::end_worker() {
    if (!thread_.joinable()) return;
    worker_->stop();
    thread_.join();
}

Result<void> Balancer::open_api() {
    const auto handler = [this](std::string_view path) { return answer(path); };
    auto control = ApiServer::on_unix_socket(config_.load_balancer.control_socket, handler);
    if (!control) return std::unexpected(control.error());
    api_.push_back(*std::move(control));
    if (config_.load_balancer.http.empty()) return {};
    auto http = ApiServer::on_tcp(config_.load_balancer.http, handler);
    if (!http) return std::unexpected(http.error());
    api_.push_back(*std::move(http));
    return {};
}

void Balancer::want_neighbors() {
    const auto interfaces = data_plane_interfaces(interfaces_);
    const auto want = [&](wire::Ipv4Address address, std::optional<wire::MacAddress> fixed) {
        // A server on no network of ours is build_forwarding_table's to report.
        if (const auto interface = interface_towards(interfaces, address)) neighbors_.want(address, *interface, fixed);
    };
    for (const auto& server : servers_in_use())
        want(server.address, server.mac);
    for (const auto& host : interfaces_)
        if (host.gateway) want(*host.gateway, std::nullopt);
    for (const auto& neighbor : config_.load_balancer.neighbors)
        want(neighbor.address, neighbor.mac);
}

std::vector<config::Server> Balancer::servers_in_use() const {
    std::vector<config::Server> servers;
    for (const std::size_t pool : pools_in_use(config_))
        std::ranges::copy_if(config_.pools[pool].servers, std::back_inserter(servers),
                             [](const auto& server) { return server.state != config::ServerState::disabled; });
    return servers;
}

Result<std::unique_ptr<const ForwardingTable>> Balancer::build_table() {
    return build_forwarding_table(config_, data_plane_interfaces(interfaces_), neighbors_.macs(), active_, identities_,
                                  rings_);
}

Result<void> Balancer::publish() {
    auto table = build_table();
    if (!table) return std::unexpected(table.error());
    tables_.push_back(*std::move(table));
    worker_->publish(tables_.back().get());
    return {};
}

Result<void> Balancer::tick(Time now) {
    if (const std::string failure = driver_->failure(); !failure.empty()) return fail(failure);
    // Tables that were replaced are freed only when the worker has left them.
    if (worker_->in_use() == tables_.back().get()) tables_.erase(tables_.begin(), tables_.end() - 1);

    bool changed = false;
    ArpMessage message;
    while (worker_->take_arp(message))
        changed |= neighbors_.learn(message, now);
    for (const ArpFrame& request : neighbors_.requests(data_plane_interfaces(interfaces_), now))
        worker_->send_arp(request);
    return changed ? publish() : Result<void>{};
}

std::vector<std::string> Balancer::unresolved() const {
    std::vector<std::string> sentences;
    for (const auto& [address, neighbor] : neighbors_.neighbors()) {
        if (neighbor.mac) continue;
        const bool gateway =
            std::ranges::any_of(interfaces_, [&](const auto& host) { return host.gateway == address; });
        sentences.push_back(std::string(gateway ? "gateway" : "server") + " '" + wire::to_string(address) +
                            "' does not answer ARP on '" + interfaces_[neighbor.interface].name + "'" +
                            (gateway ? "" : "; its share of the flows is dropped until it does"));
    }
    return sentences;
}

std::optional<std::string> Balancer::dead_gateway() const {
    for (const auto& host : interfaces_) {
        if (!host.gateway || !host.gateway_configured) continue;
        const std::string gateway = "gateway '" + wire::to_string(*host.gateway) + "'";
        const auto neighbor = neighbors_.neighbors().find(*host.gateway);
        if (neighbor == neighbors_.neighbors().end())
            return gateway + " is not on the network of interface '" + host.name + "'";
        if (!neighbor->second.mac) return gateway + " does not answer ARP on '" + host.name + "'";
    }
    return std::nullopt;
}

Result<void> Balancer::announce() {
    if (const auto set = routes_->set(socket_, vips_); !set) return set;
    active_ = true;
    if (const auto published = publish(); !published) return published;
    const auto interfaces = data_plane_interfaces(interfaces_);
    for (std::size_t i = 0; i < interfaces.size(); ++i)
        for (const auto vip : vips_)
            if (interfaces[i].address.contains(vip))
                worker_->send_arp(announcement(interfaces[i], static_cast<std::uint8_t>(i), vip));
    // "Ready" must mean that the worker answers ARP from now on. It takes a table up at once; a second is for a stuck
    // machine.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
    while (worker_->in_use() != tables_.back().get() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    return {};
}

Result<void> Balancer::stop() {
    active_ = false;
    auto result = publish();
    if (auto withdrawn = routes_->set(socket_, {}); !withdrawn) result = withdrawn;
    end_worker();
    return result;
}

std::string Balancer::summary() const {
    std::set<wire::Ipv4Address> servers;
    for (const auto& server : servers_in_use())
        servers.insert(server.address);
    const auto counted = [](std::size_t count, const char* what) {
        return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
    };
    std::string text =
        counted(config_.virtual_services.size(), "virtual service") + ", " + counted(servers.size(), "server") + ", on";
    for (const auto& host : interfaces_)
        text += " " + host.name;
    return text;
}

HttpResponse Balancer::answer(std::string_view path) {
    if (path == "/api/v1/counters")
        return {200, counters_document(config_, identities_, neighbors_, worker_->counters()).dump()};
    if (path == "/api/v1/neighbors") return {200, neighbors_document(interfaces_, neighbors_).dump()};
    if (path == "/api/v1/interfaces") return {200, interfaces_document(interfaces_, driver_->kernel_drops()).dump()};
    return {
        404,
        R"({"error": "no such document", "documents": ["/api/v1/counters", "/api/v1/neighbors", "/api/v1/interfaces"]})"};
}

}  // namespace dsr::lb
