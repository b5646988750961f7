#include <algorithm>
#include <limits>

#include "common/config/section.hpp"
#include "common/config/sections.hpp"
#include "common/ring/maglev.hpp"

namespace dsr::config {
namespace {

constexpr std::size_t kMaxInterfaceName = 15;  // IFNAMSIZ without the terminating zero
constexpr std::size_t kMaxSocketPath = 107;    // sun_path of unix(7), likewise
constexpr std::uint32_t kMinMtu = 576;         // RFC 791: what every host must accept
constexpr std::uint32_t kMaxWorkers = 128;
constexpr std::uint32_t kMaxCores = 1024;             // what Linux is built for, far more often than not
constexpr std::uint32_t kMaxFlowEntries = 1U << 28U;  // 4 GiB of table a worker

bool is_interface_name(std::string_view name) {
    return !name.empty() && name.size() <= kMaxInterfaceName && name != "." && name != ".." &&
           std::ranges::none_of(name, [](char c) { return c == '/' || c == ':' || c <= ' ' || c == 0x7f; });
}

std::string read_interface_name(Draft& draft, Section& section, std::string_view key) {
    const Node* node = section.find(key);
    if (node == nullptr) return {};
    if (node->kind != Node::Kind::scalar || !is_interface_name(node->text)) {
        report_wrong(draft, *node, section.path_of(key),
                     "an interface name: 1 to 15 characters without spaces, '/' and ':'");
        return {};
    }
    section.valid(key, *node);
    return node->text;
}

// The address of a host in a network: in networks of four addresses and more, the first and the last are no host's.
void read_interface_address(Draft& draft, Section& section, Interface& interface) {
    const Node* node = section.find("address");
    if (node == nullptr) return;
    const std::string path = section.path_of("address");
    const auto prefix = node->kind == Node::Kind::scalar ? wire::Ipv4Prefix::parse(node->text) : std::nullopt;
    if (!prefix || prefix->length == 0)
        return report_wrong(draft, *node, path,
                            "an IPv4 address with a prefix length from 1 to 32, such as 192.0.2.1/24");
    if (const auto reason = not_a_host(prefix->address); !reason.empty())
        return draft.report.add(node->mark, path, quoted(node->text).append(" ").append(reason));
    const std::uint32_t host_bits = prefix->address.host() & ~prefix->mask();
    if (prefix->length <= 30 && (host_bits == 0 || host_bits == ~prefix->mask()))
        return draft.report.add(
            node->mark, path,
            quoted(node->text) + (host_bits == 0 ? " is the address of the network, not of a host in it"
                                                 : " is the network's broadcast address"));
    section.valid("address", *node);
    interface.address = prefix;
}

// With dpdk the kernel does not know the device, so that its values cannot be read from there.
void check_driver_keys(Draft& draft, const Section& section, const Node& node, Driver driver) {
    if (node.kind != Node::Kind::mapping) return;
    if (driver == Driver::pcap) {
        if (const Node* device = section.find("device"))
            draft.report.add(
                device->mark, section.path_of("device"),
                describe(*device) + " is only for driver dpdk; driver pcap opens the interface by its name");
        if (const Node* kernel = section.find("kernel_interface"))
            draft.report.add(kernel->mark, section.path_of("kernel_interface"),
                             describe(*kernel) +
                                 " is only for driver dpdk; with driver pcap the kernel keeps the "
                                 "interface itself");
        return;
    }
    for (const std::string_view key : {"device", "address", "mac", "mtu"})
        if (section.find(key) == nullptr)
            draft.report.add(node.mark, section.path(),
                             quoted(key) + " is missing: driver dpdk cannot read it from the kernel");
}

void read_interface(Draft& draft, const Node& node, const std::string& path, std::optional<Driver> driver) {
    Section section(draft, node, path, {"name"}, {"device", "address", "mac", "mtu", "gateway", "kernel_interface"});
    if (driver) check_driver_keys(draft, section, node, *driver);
    Interface interface;
    interface.name = read_interface_name(draft, section, "name");
    interface.device = section.text("device", 256).value_or("");
    read_interface_address(draft, section, interface);
    interface.mac = section.mac("mac");
    interface.mtu = section.number("mtu", kMinMtu, 65535);
    interface.gateway = section.address("gateway");
    interface.kernel_interface = read_interface_name(draft, section, "kernel_interface");
    draft.config.load_balancer.interfaces.push_back(std::move(interface));
}

void read_interfaces(Draft& draft, Section& section, std::optional<Driver> driver) {
    const auto nodes = section.list("interfaces");
    const std::string path = section.path_of("interfaces");
    for (std::size_t i = 0; i < nodes.size(); ++i)
        read_interface(draft, nodes[i], element(path, i), driver);
    const auto place = draft.place(path);
    if (place && (nodes.empty() || nodes.size() > 2))
        draft.report.add(
            *place, path,
            quoted(std::to_string(nodes.size())) +
                " is no possible number of interfaces: give one (one-arm), or two (client side and server side)");
}

void read_neighbors(Draft& draft, Section& section) {
    const auto nodes = section.list("neighbors");
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        Section entry(draft, nodes[i], element(section.path_of("neighbors"), i), {"address", "mac"}, {});
        draft.config.load_balancer.neighbors.push_back(
            {entry.address("address").value_or(wire::Ipv4Address{}), entry.mac("mac").value_or(wire::MacAddress{})});
    }
}

void read_workers(Draft& draft, Section& section, std::optional<Driver> driver) {
    const auto workers = section.number("workers", 1, kMaxWorkers);
    if (!workers) return;
    draft.config.load_balancer.workers = *workers;
    if (*workers != 1 && driver == Driver::pcap)
        draft.report.add(
            section.find("workers")->mark, section.path_of("workers"),
            quoted(std::to_string(*workers)) +
                " is too many for driver pcap, which has 1: several readers of one packet socket would put "
                "the packets of a flow out of order");
}

// N or FIRST-LAST, each core once; at least as many as workers.
void read_cores(Draft& draft, Section& section) {
    auto& cores = draft.config.load_balancer.dpdk.cores;
    const auto workers = draft.config.load_balancer.workers;
    const auto nodes = section.list("cores");
    bool all_right = true;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const Node& node = nodes[i];
        const std::string path = element(section.path_of("cores"), i);
        const auto dash = node.text.find('-');
        const auto first = parse_number(std::string_view(node.text).substr(0, dash));
        const auto last =
            dash == std::string::npos ? first : parse_number(std::string_view(node.text).substr(dash + 1));
        if (node.kind != Node::Kind::scalar || !first || !last || *first > *last || *last >= kMaxCores) {
            report_wrong(draft, node, path,
                         "a processor core, or FIRST-LAST, from 0 to " + std::to_string(kMaxCores - 1));
            all_right = false;
            continue;
        }
        for (std::uint32_t core = *first; core <= *last; ++core) {
            if (std::ranges::find(cores, core) != cores.end())
                draft.report.add(node.mark, path, quoted(node.text) + " gives core " + std::to_string(core) + " again");
            else
                cores.push_back(core);
        }
    }
    if (all_right && !nodes.empty() && cores.size() < workers)
        draft.report.add(
            section.find("cores")->mark, section.path_of("cores"),
            quoted(std::to_string(cores.size())) + " cores are too few for " + std::to_string(workers) + " workers");
}

void read_eal_args(Draft& draft, Section& section) {
    const auto nodes = section.list("eal_args");
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        if (nodes[i].kind != Node::Kind::scalar || nodes[i].text.empty())
            report_wrong(draft, nodes[i], element(section.path_of("eal_args"), i), "one argument of DPDK's EAL");
        else
            draft.config.load_balancer.dpdk.eal_args.push_back(nodes[i].text);
    }
}

void read_dpdk(Draft& draft, Section& balancer, std::optional<Driver> driver) {
    const Node* node = balancer.find("dpdk");
    if (node == nullptr) return;
    if (driver == Driver::pcap)
        draft.report.add(node->mark, balancer.path_of("dpdk"), describe(*node) + " is only for driver dpdk");
    Section section(draft, *node, balancer.path_of("dpdk"), {}, {"huge_pages", "memory", "cores", "eal_args"});
    Dpdk& out = draft.config.load_balancer.dpdk;
    out.huge_pages = section.word<HugePages>("huge_pages", {{"auto", HugePages::automatic}, {"none", HugePages::none}})
                         .value_or(out.huge_pages);
    out.memory = section.number("memory", 64, 1U << 20U);
    read_cores(draft, section);
    read_eal_args(draft, section);
}

std::uint32_t next_prime(std::uint32_t number) {
    while (!ring::is_prime(number))
        ++number;
    return number;
}

void read_table_size(Draft& draft, Section& section) {
    const auto size = section.number("maglev_table_size", 3, ring::kMaxTableSize);
    if (!size) return;
    draft.config.load_balancer.maglev_table_size = *size;
    if (ring::is_prime(*size)) return;
    draft.report.add(
        section.find("maglev_table_size")->mark, section.path_of("maglev_table_size"),
        quoted(std::to_string(*size)) + " is not a prime number; the next one is " + std::to_string(next_prime(*size)));
}

void read_control_socket(Draft& draft, Section& section) {
    const Node* node = section.find("control_socket");
    const auto path = section.text("control_socket", kMaxSocketPath);
    if (!path) return;
    if (!path->starts_with('/') || path->ends_with('/'))
        return report_wrong(draft, *node, section.path_of("control_socket"), "an absolute path of a socket");
    draft.config.load_balancer.control_socket = *path;
}

// ADDRESS:PORT with an address of this machine; 0.0.0.0 is every one of them.
bool is_listen_address(std::string_view text) {
    const auto colon = text.find(':');
    if (colon == std::string_view::npos) return false;
    const auto address = wire::Ipv4Address::parse(text.substr(0, colon));
    const auto port = parse_number(text.substr(colon + 1));
    return address && !address->is_multicast() && !address->is_broadcast() && port && *port >= 1 && *port <= 65535;
}

void read_http(Draft& draft, Section& section) {
    const Node* node = section.find("http");
    if (node == nullptr) return;
    const bool off = node->kind == Node::Kind::scalar && node->text == "off";
    if (!off && (node->kind != Node::Kind::scalar || !is_listen_address(node->text)))
        return report_wrong(draft, *node, section.path_of("http"), "an IPv4 ADDRESS:PORT to listen on, or off");
    section.valid("http", *node);
    draft.config.load_balancer.http = off ? "" : node->text;
}

}  // namespace

void read_load_balancer(Draft& draft, const Node& node) {
    Section section(draft, node, "load_balancer", {"interfaces"},
                    {"driver", "neighbors", "workers", "flow_table_entries", "new_flows_per_second",
                     "maglev_table_size", "control_socket", "http", "dpdk"});
    LoadBalancer& out = draft.config.load_balancer;
    auto driver = section.word<Driver>("driver", {{"pcap", Driver::pcap}, {"dpdk", Driver::dpdk}});
    if (section.find("driver") == nullptr) driver = out.driver;
    out.driver = driver.value_or(out.driver);
    read_interfaces(draft, section, driver);
    read_neighbors(draft, section);
    read_workers(draft, section, driver);
    read_dpdk(draft, section, driver);
    out.flow_table_entries = section.number("flow_table_entries", 4, kMaxFlowEntries).value_or(out.flow_table_entries);
    out.new_flows_per_second = section.number("new_flows_per_second", 0, std::numeric_limits<std::uint32_t>::max())
                                   .value_or(out.new_flows_per_second);
    read_table_size(draft, section);
    read_control_socket(draft, section);
    read_http(draft, section);
}

}  // namespace dsr::config
