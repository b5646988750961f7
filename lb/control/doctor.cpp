#include "lb/control/doctor.hpp"

#include <cstdio>

#include "lb/control/console.hpp"
#include "lb/doctor/diagnose.hpp"
#include "lb/doctor/observe.hpp"
#include "lb/doctor/report.hpp"

namespace dsr::lb {

int run_doctor(const DoctorOptions& options) {
    const auto config = read_config(options.config);
    if (!config) return 2;
    const auto seen = doctor::observe(*config);
    if (!seen) {
        say(seen.error().message);
        return 1;
    }
    const auto diagnosis = doctor::diagnose(*config, *seen);
    std::fputs(
        (options.json ? doctor::format_json(diagnosis) : doctor::format_text(diagnosis, sys::Painter(stdout))).c_str(),
        stdout);
    return diagnosis.findings.empty() ? 0 : 3;
}

}  // namespace dsr::lb
