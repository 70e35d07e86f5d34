-- root and the agent log in over the socket as the system's root, without a password.
INSTALL PLUGIN auth_socket SONAME 'auth_socket.so';
ALTER USER root@localhost IDENTIFIED WITH auth_socket;
-- The least that the agent needs.
CREATE USER cbsnap@localhost IDENTIFIED WITH auth_socket AS 'root';
GRANT RELOAD, PROCESS, REPLICATION CLIENT ON *.* TO cbsnap@localhost;
GRANT BACKUP_ADMIN ON *.* TO cbsnap@localhost;
-- For the GTID set at the head of a log file, by which a restored server is compared.
GRANT REPLICATION SLAVE ON *.* TO cbsnap@localhost;
GRANT SELECT ON performance_schema.* TO cbsnap@localhost;
-- For the mark.
CREATE DATABASE cbsnap;
CREATE TABLE cbsnap.mark (set_id VARCHAR(64) PRIMARY KEY, at_wall_us BIGINT NOT NULL);
GRANT SELECT, INSERT, UPDATE, DELETE ON cbsnap.mark TO cbsnap@localhost;
-- The load and the meter, from the host.
CREATE USER @USER@@'%' IDENTIFIED BY '@PASSWORD@';
CREATE DATABASE sbtest;
CREATE DATABASE cbsnap_lab;
GRANT ALL ON sbtest.* TO @USER@@'%';
GRANT ALL ON cbsnap_lab.* TO @USER@@'%';
CREATE TABLE cbsnap_lab.counter (
    id INT PRIMARY KEY,
    n BIGINT NOT NULL,
    at DATETIME(6) NOT NULL
);
INSERT INTO cbsnap_lab.counter VALUES (1, 0, NOW(6));
