// SPDX-License-Identifier: MIT
#ifndef RESILIENCE_MODULES_BACKING_DATA_DIR_HPP
#define RESILIENCE_MODULES_BACKING_DATA_DIR_HPP

namespace resilience::modules::backing {

struct DatabaseSettings;

/** Makes `DATA_DIR` unless it is there, and looks whether the embedded database can be
    written in it.

    @throws std::invalid_argument It cannot; the text names `DATA_DIR` and says why.
*/
void prepare_data_dir(const DatabaseSettings& settings);

}  // namespace resilience::modules::backing

#endif
