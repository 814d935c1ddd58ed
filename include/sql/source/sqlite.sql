-- The source tables for sqlite. Made from emulator/source/tables.py, and a test sees that they agree.
CREATE TABLE IF NOT EXISTS pinterest_data (
    "index" INTEGER NOT NULL,
    unique_id TEXT,
    title TEXT,
    description TEXT,
    poster_name TEXT,
    follower_count TEXT,
    tag_list TEXT,
    is_image_or_video TEXT,
    image_src TEXT,
    downloaded INTEGER,
    save_location TEXT,
    category TEXT,
    PRIMARY KEY ("index")
);

CREATE TABLE IF NOT EXISTS geolocation_data (
    ind INTEGER NOT NULL,
    timestamp DATETIME,
    latitude DOUBLE,
    longitude DOUBLE,
    country TEXT,
    PRIMARY KEY (ind)
);

CREATE TABLE IF NOT EXISTS user_data (
    ind INTEGER NOT NULL,
    first_name TEXT,
    last_name TEXT,
    age INTEGER,
    date_joined DATETIME,
    PRIMARY KEY (ind)
);
