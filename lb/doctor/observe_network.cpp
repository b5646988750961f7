#include <algorithm>
#include <cerrno>
#include <cstring>

#include <sys/socket.h>

#include "common/sys/unique_fd.hpp"
#include "lb/doctor/ethtool.hpp"
#include "lb/doctor/files.hpp"
#include "lb/doctor/observe.hpp"

namespace dsr::lb::doctor {
namespace {

std::uint32_t queues_in_use(const std::string& interface) {
    const auto names = names_in("/sys/class/net/" + interface + "/queues");
    return static_cast<std::uint32_t>(
        std::ranges::count_if(names, [](const std::string& name) { return name.starts_with("rx-"); }));
}

Result<std::vector<KernelLink>> read_links(netlink::Socket& socket) {
    auto links = netlink::links(socket);
    if (!links) return std::unexpected(links.error());
    const sys::UniqueFd any(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!any.valid()) return fail(std::string("cannot open a socket: ") + std::strerror(errno));
    std::vector<KernelLink> result;
    for (auto& link : *links) {
        KernelLink& added = result.emplace_back();
        const Ethtool ethtool(any.get(), link.name);
        for (const auto& [feature, changeable] : ethtool.features_on()) {
            added.features.insert(feature);
            if (!changeable) added.fixed.insert(feature);
        }
        const Channels channels = ethtool.channels();
        added.most_receive_queues = channels.combined + channels.receive;
        added.combined_queues = channels.combined > 0 || channels.receive == 0;
        added.receive_queues = queues_in_use(link.name);
        added.link = std::move(link);
    }
    return result;
}

}  // namespace

Result<void> observe_network(Observation& seen) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    auto links = read_links(*socket);
    if (!links) return std::unexpected(links.error());
    auto addresses = netlink::addresses(*socket);
    if (!addresses) return std::unexpected(addresses.error());
    auto routes = netlink::routes(*socket);
    if (!routes) return std::unexpected(routes.error());
    seen.links = *std::move(links);
    seen.addresses = *std::move(addresses);
    seen.routes = *std::move(routes);
    return {};
}

}  // namespace dsr::lb::doctor
