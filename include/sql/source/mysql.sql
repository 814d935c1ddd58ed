-- The source tables for mysql. Made from emulator/source/tables.py, and a test sees that they agree.
CREATE TABLE IF NOT EXISTS pinterest_data (
    `index` INTEGER NOT NULL,
    unique_id MEDIUMTEXT,
    title MEDIUMTEXT,
    description MEDIUMTEXT,
    poster_name MEDIUMTEXT,
    follower_count MEDIUMTEXT,
    tag_list MEDIUMTEXT,
    is_image_or_video MEDIUMTEXT,
    image_src MEDIUMTEXT,
    downloaded INTEGER,
    save_location MEDIUMTEXT,
    category MEDIUMTEXT,
    PRIMARY KEY (`index`)
)CHARSET=utf8mb4 ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS geolocation_data (
    ind INTEGER NOT NULL,
    timestamp DATETIME(6),
    latitude DOUBLE,
    longitude DOUBLE,
    country MEDIUMTEXT,
    PRIMARY KEY (ind)
)CHARSET=utf8mb4 ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS user_data (
    ind INTEGER NOT NULL,
    first_name MEDIUMTEXT,
    last_name MEDIUMTEXT,
    age INTEGER,
    date_joined DATETIME(6),
    PRIMARY KEY (ind)
)CHARSET=utf8mb4 ENGINE=InnoDB;
