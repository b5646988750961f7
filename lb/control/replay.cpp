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

    void write(const Packet& packet, const ForwardingTable& table) {
        Json line = {{"frame", ++frame_},
                     {"verdict", name(packet.verdict)},
                     {"reason", nullptr},
                     {"service", nullptr},
                     {"server", nullptr}};
        if (packet.verdict == Verdict::dropped) line["reason"] = name(packet.reason);
        if (packet.service != kNoId) line["service"] = services_[packet.service];
        if (packet.server != kNoId) line["server"] = wire::to_string(table.servers[packet.server].address);
        out_ << line.dump() << '\n';
    }

private:
    std::ofstream& out_;
    std::map<ServiceId, std::string> services_;
    std::uint64_t frame_ = 0;  // as capture tools number them: from 1
};

void print_counts(const Counters& counters) {
    using sys::Cell;
    const Json document = verdict_counts(counters);
    std::vector<std::vector<Cell>> rows;
    for (const char* key : {"received", "forwarded", "answered", "passed"})
        rows.push_back({Cell{key}, Cell{std::to_string(document[key].get<std::uint64_t>())}});
    for (const auto& [reason, count] : document["dropped"].items())
        rows.push_back(
            {Cell{"dropped: " + reason, sys::Colour::yellow}, Cell{std::to_string(count.get<std::uint64_t>())}});
    std::fputs(sys::format_table(rows, sys::Painter(stdout)).c_str(), stdout);
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
    if (const auto finished = (*driver)->finish(); !finished) return report(finished.error().message, 1);
    if (options.verdicts && !verdict_file.flush()) return report("'" + *options.verdicts + "' cannot be written", 1);

    if (options.json)
        std::printf("%s\n", verdict_counts(worker.counters()).dump().c_str());
    else
        print_counts(worker.counters());
    return 0;
}

}  // namespace dsr::lb
