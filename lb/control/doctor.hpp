// `lb doctor`: what on this host would keep lb from running, or make it slow or wrong, before it is started.
#pragma once

#include <string>

namespace dsr::lb {

struct DoctorOptions {
    std::string config;
    bool json = false;
};

// Returns the exit code: 0 nothing found, 3 something found, 1 the kernel did not answer, 2 configuration errors.
int run_doctor(const DoctorOptions& options);

}  // namespace dsr::lb
