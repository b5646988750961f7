#include "lb/driver/dpdk/dpdk_drivers.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <rte_mbuf.h>
#include <unistd.h>

#include "common/sys/netlink/link.hpp"
#include "lb/driver/dpdk/buffers.hpp"
#include "lb/driver/dpdk/dpdk_driver.hpp"
#include "lb/driver/dpdk/eal.hpp"
#include "lb/driver/dpdk/eal_arguments.hpp"
#include "lb/driver/dpdk/machine.hpp"
#include "lb/driver/dpdk/receiver.hpp"
#include "lb/driver/dpdk/support.hpp"

namespace dsr::lb {
namespace {

using Ports = std::vector<std::unique_ptr<DpdkPort>>;

struct FreePool {
    void operator()(rte_mempool* pool) const { rte_mempool_free(pool); }
};
using Pool = std::unique_ptr<rte_mempool, FreePool>;

static_assert(kBufferHeadroom == RTE_PKTMBUF_HEADROOM);

BufferPlan buffers_for(const DpdkSettings& settings) {
    std::vector<PortNeeds> ports;
    for (const DpdkInterface& interface : settings.interfaces)
        ports.push_back({&interface.device, interface.mtu, interface.kernel_tap >= 0});
    return plan_buffers(ports, settings.workers);
}

constexpr std::size_t kMostSaid = 100;

class DpdkDrivers final : public Drivers {
public:
    explicit DpdkDrivers(netlink::Socket socket) : socket_(std::move(socket)) {}
    DpdkDrivers(const DpdkDrivers&) = delete;
    DpdkDrivers& operator=(const DpdkDrivers&) = delete;
    // Threads first, then what holds buffers, then the buffers.
    ~DpdkDrivers() override {
        const SilencedOutput silence;
        receiver_.reset();
        drivers_.clear();
        kernel_.reset();
        ports_.clear();
        pools_.clear();
        eal_.reset();
    }

    Result<void> open(const DpdkSettings& settings) {
        if (auto started = start_environment(settings); !started) return started;
        const SilencedOutput silence;
        for (const DpdkInterface& interface : settings.interfaces) {
            const auto id = eal_->probe(interface.device);
            if (!id) return fail(id.error().message + memory_hint(interface.device));
            auto port = DpdkPort::find(interface, *id, settings.workers);
            if (!port) return std::unexpected(port.error());
            ports_.push_back(*std::move(port));
        }
        if (auto made = make_pools(settings); !made) return made;
        const bool spread = std::ranges::all_of(ports_, &DpdkPort::spreads);
        // Virtual devices may bring buffers of others.
        const bool only_pool = pools_.size() == 1 && std::ranges::all_of(plan_.devices, &DpdkDevice::pci);
        for (const auto& port : ports_)
            if (auto started = port->start(pools_.at(port->numa_node()).get(), only_pool, spread); !started)
                return started;
        return make_drivers(settings, settings.workers > 1 && !spread);
    }

    Driver& of_worker(std::size_t worker) override { return *drivers_[worker]; }

    std::vector<InterfaceState> interfaces() override {
        std::vector<InterfaceState> states;
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            const auto counts = kernel_->counts(static_cast<std::uint8_t>(i));
            std::uint64_t dropped = ports_[i]->missed() + (receiver_ ? receiver_->overflowed(i) : 0);
            for (const auto& driver : drivers_)
                dropped += driver->unusable(i);
            states.push_back({ports_[i]->usable() && ports_[i]->link(), dropped, counts.to_kernel, counts.from_kernel,
                              counts.dropped});
        }
        return states;
    }

    bool present(std::size_t interface) const override { return ports_[interface]->usable(); }

    std::vector<std::string> take_events() override {
        std::vector<std::string> events = std::exchange(events_, {});
        const bool kernels = std::ranges::any_of(kernel_indexes_, [](int index) { return index != 0; });
        const auto links = kernels ? netlink::links(socket_) : std::vector<netlink::Link>{};
        for (std::size_t i = 0; i < ports_.size(); ++i) {
            bool in_kernel = true;
            bool running = true;
            // An error of the question is none of the device's.
            if (const int index = kernel_indexes_[i]; index != 0 && links) {
                const auto link = std::ranges::find(*links, index, &netlink::Link::index);
                in_kernel = link != links->end();
                running = in_kernel && link->running;
            }
            if (std::string event = ports_[i]->look(in_kernel, running); !event.empty())
                events.push_back(std::move(event));
        }
        for (std::string& line : Eal::complaints())
            if (said_.size() < kMostSaid && said_.insert(line).second) events.push_back("DPDK says: " + line);
        return events;
    }

    std::string failure() const override {
        return std::ranges::any_of(ports_, &DpdkPort::usable) ? "" : "every device has vanished";
    }

private:
    Result<void> start_environment(const DpdkSettings& settings) {
        if (auto checked = check_cores(settings.dpdk); !checked) return checked;
        for (const DpdkInterface& interface : settings.interfaces) {
            if (auto checked = check_pci_device(interface); !checked) return checked;
            const auto index = check_kernel_interface(socket_, interface);
            if (!index) return std::unexpected(index.error());
            kernel_indexes_.push_back(*index);
            plan_.devices.push_back(interface.device);
        }
        plan_.memory = settings.dpdk.memory.value_or(buffers_for(settings).memory);
        const std::uint64_t huge = free_huge_memory();
        plan_.huge_pages = settings.dpdk.huge_pages == config::HugePages::automatic &&
                           huge >= std::uint64_t{plan_.memory} * 1024 * 1024;
        const bool pci = std::ranges::any_of(plan_.devices, &DpdkDevice::pci);
        if (pci && !plan_.huge_pages && settings.dpdk.huge_pages == config::HugePages::automatic)
            events_.push_back("fewer than " + std::to_string(plan_.memory) +
                              " MiB of huge pages are free, so ordinary memory is used; most cards want them: sysctl "
                              "-w vm.nr_hugepages=" +
                              std::to_string(plan_.memory / 2 + 1));
        plan_.core = usable_cores().front();
        plan_.file_prefix = kFilePrefix + std::to_string(::getpid());
        plan_.extra = settings.dpdk.eal_args;
        remove_stale_directories();
        for (const DpdkDevice& device : plan_.devices)
            remove_stale_socket(device);
        auto eal = Eal::start(eal_arguments(plan_));
        if (!eal) return std::unexpected(eal.error());
        eal_ = *std::move(eal);
        return {};
    }

    // Without an IOMMU, a card reaches memory by physical addresses, which only huge pages have.
    [[nodiscard]] std::string memory_hint(const DpdkDevice& device) const {
        if (!device.pci() || plan_.huge_pages) return "";
        return ". Huge pages are not used: without them, a card works only by vfio-pci behind an IOMMU; sysctl -w "
               "vm.nr_hugepages=" +
               std::to_string(plan_.memory / 2 + 1);
    }

    // One for each NUMA node that has a port, so that frames lie in the memory next to it.
    Result<void> make_pools(const DpdkSettings& settings) {
        std::map<int, std::uint32_t> buffers;
        for (const auto& port : ports_)
            buffers[port->numa_node()] += port->buffers();
        const BufferPlan plan = buffers_for(settings);
        for (const auto& [node, count] : buffers) {
            const std::uint32_t all = count + plan.beside_queues;
            // Threads may share cores here: with this ring, one that is put aside holds nobody up.
            Pool pool(rte_pktmbuf_pool_create_by_ops(("packets_" + std::to_string(node)).c_str(), all, kPoolCache, 0,
                                                     plan.size, node, "ring_mt_rts"));
            if (!pool)
                return fail("DPDK has no memory for " + std::to_string(all) + " packet buffers of " +
                            std::to_string(plan.size) + " bytes" + Eal::first_complaint() +
                            (plan_.huge_pages ? "; reserve more huge pages: sysctl -w vm.nr_hugepages=…"
                                              : "; give it more: dpdk.memory"));
            pools_[node] = std::move(pool);
        }
        return {};
    }

    Result<void> make_drivers(const DpdkSettings& settings, bool receive_for_all) {
        std::vector<DpdkPort*> ports;
        std::vector<KernelPath::Tap> taps;
        for (const auto& port : ports_) {
            ports.push_back(port.get());
            const VdevKind* kind = port->interface().device.kind;
            taps.push_back({port->interface().kernel_tap, kind != nullptr && kind->software_offloads});
        }
        auto kernel = KernelPath::open(taps, ports.front()->pool());
        if (!kernel) return std::unexpected(kernel.error());
        kernel_ = *std::move(kernel);
        const auto& cores = settings.dpdk.cores;
        const auto near = cores_near(ports.front()->numa_node());
        const auto cores_of = [&](std::uint32_t thread) {
            if (cores.empty()) return near;
            return thread < cores.size() ? std::vector{cores[thread]} : cores_beside(cores);
        };
        if (receive_for_all) {
            auto receiver = Receiver::start(ports, settings.workers, cores_of(settings.workers));
            if (!receiver) return std::unexpected(receiver.error());
            receiver_ = *std::move(receiver);
            const bool short_of_cores = !cores.empty() && cores.size() <= settings.workers;
            events_.push_back(
                std::string("not every device can spread its frames over the workers: one more core receives for all") +
                (short_of_cores ? "; dpdk.cores names none for it" : ""));
        }
        for (std::uint32_t worker = 0; worker < settings.workers; ++worker)
            drivers_.push_back(std::make_unique<DpdkDriver>(
                ports, *kernel_, worker, receiver_ ? receiver_->ring_of(worker) : nullptr, cores_of(worker)));
        return {};
    }

    netlink::Socket socket_;
    std::vector<std::string> events_;
    std::vector<int> kernel_indexes_;  // of the kernel's interfaces that the devices work on; 0: none
    std::set<std::string> said_;       // by DPDK while it ran: each once
    EalPlan plan_;
    std::unique_ptr<Eal> eal_;
    std::map<int, Pool> pools_;  // by NUMA node
    Ports ports_;
    std::unique_ptr<KernelPath> kernel_;
    std::unique_ptr<Receiver> receiver_;
    std::vector<std::unique_ptr<DpdkDriver>> drivers_;
};

}  // namespace

bool dpdk_in_this_build() {
    return true;
}

std::string dpdk_plugin_directory() {
    return RTE_EAL_PMD_PATH;
}

Result<std::unique_ptr<Drivers>> open_dpdk(const DpdkSettings& settings) {
    auto socket = netlink::Socket::open();
    if (!socket) return std::unexpected(socket.error());
    auto drivers = std::make_unique<DpdkDrivers>(*std::move(socket));
    if (auto opened = drivers->open(settings); !opened) return std::unexpected(opened.error());
    return drivers;
}

}  // namespace dsr::lb
