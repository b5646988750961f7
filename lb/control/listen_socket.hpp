// Opens the sockets that the API server listens on.
#pragma once

#include <string>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"

namespace dsr::lb {

// See ApiServer::on_unix_socket.
Result<sys::UniqueFd> listen_unix(const std::string& path);
// `may_be_absent`: the address need not be this host's yet.
Result<sys::UniqueFd> listen_tcp(const std::string& address, bool may_be_absent = false);

}  // namespace dsr::lb
