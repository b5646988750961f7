// Configuration + what was seen of this host -> what would keep lb from running, or make it slow or wrong. Pure.
#pragma once

#include "common/config/model.hpp"
#include "lb/doctor/finding.hpp"
#include "lb/doctor/observation.hpp"

namespace dsr::lb::doctor {

Diagnosis diagnose(const config::Config& config, const Observation& seen);

}  // namespace dsr::lb::doctor
