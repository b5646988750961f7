#include "lb/control/replay.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "common/sys/terminal.hpp"
#include "lb/control/console.hpp"
#include "lb/control/offline_table.hpp"
#include "lb/control/status.hpp"
#include "lb/dataplane/worker.hpp"
#include "lb/driver/capture_file_driver.hpp"

namespace dsr::lb {
namespace {

int report(const std::string& message, int exit_code) {
    say(message);
    return exit_code;
}

bool same_file(const std::string& a, const std::string& b) {
    std::error_code ignored;
    return std::filesystem::equivalent(a, b, ignored) ||
           std::filesystem::weakly_canonical(a, ignored) == std::filesystem::weakly_canonical(b, ignored);
}

// Nothing that is written may be read, or written twice: opening it would already have emptied it.
std::optional<std::string> conflicting_files(const ReplayOptions& options) {
    std::vector<std::string> taken{options.config, options.input};
    std::vector<std::string> written{options.output};
    if (options.verdicts) written.push_back(*options.verdicts);
    for (const auto& file : written) {
        for (const auto& other : taken)
            if (same_file(file, other)) return "'" + file + "' is named twice, and would be overwritten";
        taken.push_back(file);
    }
    return std::nullopt;
}

// Writes the lines of --verdicts.
class VerdictLog {
public:
    VerdictLog(std::ofstream& out, OfflineTable& offline) : out_(out) {
        for (const auto& service : offline.config.virtual_services)
            services_[offline.identities.service(service.name).value_or(kNoId)] = service.name;
    }

    // A fragment that is held has its line when it ends; lines stay in the order of the frames.
    void write(const Packet& packet, const ForwardingTable& table) {
        if (packet.verdict == Verdict::held) return;
        waiting_[packet.number] = line(packet, table);
        for (auto next = waiting_.begin(); next != waiting_.end() && next->first == frame_ + 1;
             next = waiting_.erase(next)) {
            out_ << next->second << '\n';
            ++frame_;
        }
    }

private:
    std::string line(const Packet& packet, const ForwardingTable& table) {
        Json line = {{"frame", packet.number},
                     {"verdict", name(packet.verdict)},
                     {"reason", nullptr},
                     {"service", nullptr},
                     {"server", nullptr}};
        if (packet.verdict == Verdict::dropped) line["reason"] = name(packet.reason);
        if (packet.verdict == Verdict::answered) line["reason"] = name(packet.answer);
        if (packet.service != kNoId) line["service"] = services_[packet.service];
        if (packet.server != kNoServer) line["server"] = wire::to_string(table.servers[packet.server].address);
        return line.dump();
    }

    std::ofstream& out_;
    std::map<ServiceId, std::string> services_;
    std::map<std::uint32_t, std::string> waiting_;  // for the lines of frames before them
    std::uint32_t frame_ = 0;                       // written last; as capture tools number them: from 1
};

void print_counts(const Counters& counters) {
    std::fputs(sys::format_table(verdict_rows(verdict_counts(AllCounters({&counters}))), sys::Painter(stdout)).c_str(),
               stdout);
}

}  // namespace

int replay(const ReplayOptions& options) {
    if (const auto conflict = conflicting_files(options)) return report(*conflict, 1);
    auto offline = load_offline_table(options.config);
    if (!offline) return 2;

    std::ofstream verdict_file;
    if (options.verdicts) {
        verdict_file.open(*options.verdicts, std::ios::trunc);
        if (!verdict_file) return report("'" + *options.verdicts + "' cannot be written", 1);
    }
    VerdictLog log(verdict_file, *offline);
    auto driver = CaptureFileDriver::open(options.input, options.output, offline->table->interfaces,
                                          [&](std::span<const Packet> burst) {
                                              if (!options.verdicts) return;
                                              for (const Packet& packet : burst)
                                                  log.write(packet, *offline->table);
                                          });
    if (!driver) return report(driver.error().message, 1);

    Worker worker(**driver, offline->config.load_balancer.flow_table_entries, offline->table.get());
    while (worker.run_burst() > 0)
        continue;
    worker.finish();
    if (const auto finished = (*driver)->finish(); !finished) return report(finished.error().message, 1);
    if (options.verdicts && !verdict_file.flush()) return report("'" + *options.verdicts + "' cannot be written", 1);

    if (options.json)
        std::printf("%s\n", verdict_counts(AllCounters({&worker.counters()})).dump().c_str());
    else
        print_counts(worker.counters());
    return 0;
}

}  // namespace dsr::lb
