// SPDX-License-Identifier: MIT
#include <modules/backing/data_dir.hpp>
#include <modules/backing/database.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>

namespace resilience::modules::backing {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
    throw std::invalid_argument("DATA_DIR: " + path.string() + " " + what);
}

// Asks for what the process may do, not for what its owner might.
void require_access(const fs::path& path, int mode, const std::string& otherwise) {
    if (::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0) return;
    refuse(path, otherwise + ": " + std::generic_category().message(errno));
}

}  // namespace

void prepare_data_dir(const DatabaseSettings& settings) {
    const fs::path folder = settings.data_dir;
    std::error_code error;
    if (fs::exists(folder, error) && !fs::is_directory(folder, error)) {
        refuse(folder, "is not a folder");
    }
    fs::create_directories(folder, error);
    if (error) refuse(folder, "cannot be made: " + error.message());
    require_access(folder, W_OK | X_OK, "cannot be written");

    const fs::path file = settings.database_file();
    if (!fs::exists(file, error)) return;
    if (!fs::is_regular_file(file, error)) refuse(file, "is not a file");
    require_access(file, R_OK | W_OK, "cannot be read and written");
}

}  // namespace resilience::modules::backing
