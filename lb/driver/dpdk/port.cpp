#include "lb/driver/dpdk/port.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>

#include <linux/if_tun.h>
#include <rte_ethdev.h>
#include <sys/ioctl.h>

#include "lb/driver/dpdk/eal.hpp"

namespace dsr::lb {
namespace {

constexpr std::uint16_t kDescriptors = 1024;  // of each queue, where the device has no wish of its own
constexpr std::uint64_t kFlowHash =
    RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
constexpr std::uint64_t kFlowHashNeeded = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;

std::string mac_text(const rte_ether_addr& address) {
    wire::MacAddress mac;
    std::memcpy(&mac, address.addr_bytes, sizeof mac);
    return wire::to_string(mac);
}

// Its queues come in pairs: the other side fills the receive queue of every transmit queue.
bool has_queue_pairs(const rte_eth_dev_info& info) {
    const std::string_view driver = info.driver_name;
    return driver.starts_with("net_virtio") || driver == "net_vhost";
}

int note_removal_of(std::uint16_t /*port*/, rte_eth_event_type /*event*/, void* port, void* /*unused*/) {
    static_cast<DpdkPort*>(port)->note_removal();
    return 0;
}

}  // namespace

std::string DpdkPort::subject() const {
    return "interface '" + interface_.name + "' (device '" + interface_.device.name + "')";
}

Error DpdkPort::failure(const std::string& what, int code) const {
    return {subject() + ": " + what + ": " + std::strerror(code < 0 ? -code : code) + Eal::first_complaint()};
}

Result<std::unique_ptr<DpdkPort>> DpdkPort::find(const DpdkInterface& interface, std::uint16_t id,
                                                 std::uint32_t workers) {
    std::unique_ptr<DpdkPort> port(new DpdkPort(interface, id, workers));
    rte_eth_dev_info info{};
    if (const int code = rte_eth_dev_info_get(id, &info); code != 0)
        return std::unexpected(port->failure("cannot be asked what it can do", code));
    if (const auto fits = port->check_mtu(info.max_mtu); !fits) return std::unexpected(fits.error());
    if (const auto settled = port->settle_mac(); !settled) return std::unexpected(settled.error());
    port->spreads_ = workers > 1 && info.max_rx_queues >= workers &&
                     (info.flow_type_rss_offloads & kFlowHashNeeded) == kFlowHashNeeded;
    port->transmit_queues_ = static_cast<std::uint16_t>(std::min<std::uint32_t>(workers, info.max_tx_queues));
    if (port->spreads_)
        port->receive_queues_ = static_cast<std::uint16_t>(workers);
    else if (has_queue_pairs(info))
        port->receive_queues_ = port->transmit_queues_ = std::min(port->transmit_queues_, info.max_rx_queues);
    port->receive_descriptors_ = kDescriptors;
    port->transmit_descriptors_ = kDescriptors;
    if (rte_eth_dev_adjust_nb_rx_tx_desc(id, &port->receive_descriptors_, &port->transmit_descriptors_) != 0) {
        port->receive_descriptors_ = kDescriptors;
        port->transmit_descriptors_ = kDescriptors;
    }
    return port;
}

DpdkPort::~DpdkPort() {
    (void)rte_eth_dev_callback_unregister(id_, RTE_ETH_EVENT_INTR_RMV, &note_removal_of, this);
    // The registers of a card that is not there must not be touched.
    if (!usable() && interface_.device.pci()) return;
    if (started_) (void)rte_eth_dev_stop(id_);
    (void)rte_eth_dev_close(id_);
}

int DpdkPort::numa_node() const {
    return rte_eth_dev_socket_id(id_);
}

std::uint32_t DpdkPort::buffers() const {
    return std::uint32_t{receive_descriptors_} * receive_queues_ +
           std::uint32_t{transmit_descriptors_} * transmit_queues_;
}

Result<void> DpdkPort::check_mtu(std::uint16_t max_mtu) const {
    if (max_mtu == 0 || interface_.mtu <= max_mtu) return {};
    return fail(subject() + " has an MTU of " + std::to_string(max_mtu) + " at most, not " +
                std::to_string(interface_.mtu));
}

// The network must find the same MAC address at the device as in our frames. A virtual device that cannot be told one
// does not filter by it either.
Result<void> DpdkPort::settle_mac() const {
    rte_ether_addr own{};
    if (rte_eth_macaddr_get(id_, &own) == 0 && std::memcmp(&own, &interface_.mac, sizeof own) == 0) return {};
    if (!interface_.device.kernel_iface.empty()) return {};  // compared with the kernel's before
    rte_ether_addr wanted{};
    std::memcpy(&wanted, &interface_.mac, sizeof wanted);
    if (rte_eth_dev_default_mac_addr_set(id_, &wanted) == 0 || !interface_.device.pci()) return {};
    return fail(subject() + " has the MAC address " + mac_text(own) + ", and cannot be given " +
                wire::to_string(interface_.mac) + "; write the device's into the configuration" +
                Eal::first_complaint());
}

Result<void> DpdkPort::start(rte_mempool* pool, bool only_pool, bool spread) {
    pool_ = pool;
    rte_eth_dev_info info{};
    (void)rte_eth_dev_info_get(id_, &info);
    rte_eth_conf conf{};
    // The kernel's own MTU was compared before; telling its driver one would change it.
    const bool kernels = !interface_.device.kernel_iface.empty();
    conf.rxmode.mtu = kernels ? 0 : interface_.mtu;
    // Our buffers hold any frame; a device that reckons otherwise is allowed to use several.
    conf.rxmode.offloads = info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_SCATTER);
    // The device then gives all sent buffers to one pool without a look at whose they are.
    if (only_pool) conf.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
    if (spread) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = kFlowHash & info.flow_type_rss_offloads;
    }
    // It could, but another port cannot.
    if (spreads_ && !spread) receive_queues_ = has_queue_pairs(info) ? transmit_queues_ : std::uint16_t{1};
    spreads_ = spread;
    if (const int code = rte_eth_dev_configure(id_, receive_queues_, transmit_queues_, &conf); code != 0)
        return std::unexpected(failure("cannot be configured", code));
    if (!kernels && interface_.device.pci())
        if (const int code = rte_eth_dev_set_mtu(id_, static_cast<std::uint16_t>(interface_.mtu));
            code != 0 && code != -ENOTSUP && code != -EBUSY)
            return std::unexpected(failure("cannot have an MTU of " + std::to_string(interface_.mtu), code));
    if (auto ready = set_up_queues(conf.txmode.offloads != 0); !ready) return ready;
    if (const int code = rte_eth_dev_start(id_); code != 0) return std::unexpected(failure("cannot be started", code));
    started_ = true;
    // Routing protocols and VRRP of the kernel's need it.
    if (interface_.kernel_tap >= 0) (void)rte_eth_allmulticast_enable(id_);
    (void)rte_eth_dev_callback_register(id_, RTE_ETH_EVENT_INTR_RMV, &note_removal_of, this);
    return {};
}

Result<void> DpdkPort::set_up_queues(bool free_fast) {
    rte_eth_dev_info info{};
    (void)rte_eth_dev_info_get(id_, &info);
    const auto socket = static_cast<unsigned>(numa_node());
    for (std::uint16_t queue = 0; queue < receive_queues_; ++queue)
        if (const int code = rte_eth_rx_queue_setup(id_, queue, receive_descriptors_, socket, nullptr, pool_);
            code != 0)
            return std::unexpected(failure("receive queue " + std::to_string(queue), code));
    rte_eth_txconf conf = info.default_txconf;
    conf.offloads = free_fast ? RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE : 0;
    for (std::uint16_t queue = 0; queue < transmit_queues_; ++queue)
        if (const int code = rte_eth_tx_queue_setup(id_, queue, transmit_descriptors_, socket, &conf); code != 0)
            return std::unexpected(failure("transmit queue " + std::to_string(queue), code));
    locks_.resize(transmit_queues_);
    for (rte_spinlock_t& lock : locks_)
        rte_spinlock_init(&lock);
    return {};
}

TransmitQueue DpdkPort::transmit_queue(std::uint32_t worker) {
    const auto number = static_cast<std::uint16_t>(worker % transmit_queues_);
    return {number, transmit_queues_ < workers_ ? &locks_[number] : nullptr};
}

bool DpdkPort::vanished() const {
    const DpdkDevice& device = interface_.device;
    if (removed_.load(std::memory_order_relaxed)) return true;
    if (device.pci()) {
        std::error_code ignored;
        return rte_eth_dev_is_removed(id_) == 1 ||
               !std::filesystem::exists("/sys/bus/pci/devices/" + device.name, ignored);
    }
    return rte_eth_dev_is_valid_port(id_) == 0;
}

bool DpdkPort::has_link() const {
    rte_eth_link link{};
    // A device that cannot tell is believed to have one.
    return rte_eth_link_get_nowait(id_, &link) != 0 || link.link_status == RTE_ETH_LINK_UP;
}

std::string DpdkPort::look(bool in_kernel, bool kernel_link) {
    if (!usable()) return {};
    if (!in_kernel || vanished()) {
        gone_.store(true, std::memory_order_relaxed);
        link_ = false;
        show_kernel(false);
        return subject() + " has vanished; nothing is received or sent by it. Bring the device back, then restart lb";
    }
    const bool link = kernel_link && has_link();
    if (link == link_) return {};
    link_ = link;
    show_kernel(link);
    return subject() + (link ? " has its link" : " has no link; frames to it are lost until it has");
}

// The kernel's routing protocols notice by it what they would notice on a card of theirs.
void DpdkPort::show_kernel(bool link) const {
    const int carrier = link ? 1 : 0;
    if (interface_.kernel_tap >= 0) (void)::ioctl(interface_.kernel_tap, TUNSETCARRIER, &carrier);
}

std::uint64_t DpdkPort::missed() {
    rte_eth_stats statistics{};
    if (usable() && rte_eth_stats_get(id_, &statistics) == 0) missed_ = statistics.imissed + statistics.rx_nombuf;
    return missed_;
}

}  // namespace dsr::lb
